"""A small fitted model for every estimator on the allow-list, and for the ways of fitting it that
leave other arrays behind."""

import atexit
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import (
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFwe,
    VarianceThreshold,
    f_regression,
)
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    GammaRegressor,
    HuberRegressor,
    Lars,
    LarsCV,
    Lasso,
    LassoCV,
    LassoLars,
    LassoLarsCV,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLassoCV,
    OrthogonalMatchingPursuitCV,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
    TheilSenRegressor,
    TweedieRegressor,
)
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)
from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier, XGBRFRegressor

from registry.preprocessing import BandEncoder, DateEncoder, SignedLog
from registry.text_encoder import TextEncoder

_draws = np.random.default_rng(11)
X = _draws.normal(size=(60, 4))
Y = X @ [1.0, -2.0, 0.5, 0.0] + _draws.normal(size=60) / 10
TWO = np.where(Y > 0, "high", "low")
THREE = np.digitize(Y, [-1, 1])
POSITIVE = np.abs(X)
WORDS = np.array([["a", "b", "c", "d", "e"][n] for n in _draws.integers(0, 5, 60)], dtype=object)
CATEGORIES = np.column_stack([WORDS, _draws.integers(0, 3, 60).astype(object)])
GAPS = np.where(_draws.random((60, 4)) < 0.2, np.nan, X)
FEW = _draws.integers(0, 4, (60, 2)).astype(float)

Fitted = tuple[Any, Any, Any]
"""A model that is not fitted, its rows and its answers."""


def _steps(*steps: Any, rows: Any = X) -> Fitted:
    return make_pipeline(*steps, Ridge()), rows, Y


def _trees() -> list[tuple[str, Any]]:
    return [("a", DecisionTreeRegressor(max_depth=2)), ("b", make_pipeline(PCA(2), Ridge()))]


def _classifiers() -> list[tuple[str, Any]]:
    return [("a", DecisionTreeClassifier(max_depth=2)), ("b", make_pipeline(PCA(2), GaussianNB()))]


CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "AdaBoostClassifier": lambda: AdaBoostClassifier(n_estimators=3),
    "BaggingClassifier": lambda: BaggingClassifier(n_estimators=3, max_features=0.6),
    "BaggingClassifier of labels": lambda: BaggingClassifier(RidgeClassifier(), n_estimators=3),
    "BernoulliNB": BernoulliNB,
    "DecisionTreeClassifier": lambda: DecisionTreeClassifier(max_depth=3),
    "DummyClassifier": DummyClassifier,
    "DummyClassifier uniform": lambda: DummyClassifier(strategy="uniform", random_state=1),
    "DummyClassifier stratified": lambda: DummyClassifier(strategy="stratified", random_state=1),
    "DummyClassifier most_frequent": lambda: DummyClassifier(strategy="most_frequent"),
    "ExtraTreeClassifier": lambda: ExtraTreeClassifier(max_depth=3),
    "ExtraTreesClassifier": lambda: ExtraTreesClassifier(3),
    "GaussianNB": GaussianNB,
    "GradientBoostingClassifier": lambda: GradientBoostingClassifier(n_estimators=3),
    "GradientBoostingClassifier from zero": lambda: GradientBoostingClassifier(
        n_estimators=3, init="zero"
    ),
    "GradientBoostingClassifier from another": lambda: GradientBoostingClassifier(
        n_estimators=3, init=LogisticRegression()
    ),
    "HistGradientBoostingClassifier": lambda: HistGradientBoostingClassifier(
        max_iter=3, min_samples_leaf=5
    ),
    "LGBMClassifier": lambda: LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1),
    "LinearDiscriminantAnalysis": LinearDiscriminantAnalysis,
    "LinearDiscriminantAnalysis eigen": lambda: LinearDiscriminantAnalysis(solver="eigen"),
    "LinearDiscriminantAnalysis lsqr": lambda: LinearDiscriminantAnalysis(solver="lsqr"),
    "LinearSVC": LinearSVC,
    "LinearSVC without intercept": lambda: LinearSVC(fit_intercept=False),
    "LogisticRegression": LogisticRegression,
    "LogisticRegression without intercept": lambda: LogisticRegression(fit_intercept=False),
    "LogisticRegressionCV": lambda: LogisticRegressionCV(Cs=2, cv=2),
    "MLPClassifier": lambda: MLPClassifier((4, 3), max_iter=5),
    "MLPClassifier early": lambda: MLPClassifier((4,), max_iter=5, early_stopping=True),
    "NuSVC": lambda: NuSVC(nu=0.2),
    "QuadraticDiscriminantAnalysis": QuadraticDiscriminantAnalysis,
    "QuadraticDiscriminantAnalysis eigen": lambda: QuadraticDiscriminantAnalysis(
        solver="eigen", shrinkage=0.1
    ),
    "RandomForestClassifier": lambda: RandomForestClassifier(3),
    "RidgeClassifier": RidgeClassifier,
    "RidgeClassifier without intercept": lambda: RidgeClassifier(fit_intercept=False),
    "RidgeClassifierCV": RidgeClassifierCV,
    "SGDClassifier": SGDClassifier,
    "SGDClassifier log": lambda: SGDClassifier(loss="log_loss", average=True),
    "SVC": SVC,
    "SVC ovo": lambda: SVC(kernel="poly", decision_function_shape="ovo"),
    "StackingClassifier": lambda: StackingClassifier(_classifiers(), cv=2),
    "StackingClassifier passing": lambda: StackingClassifier(
        [*_classifiers(), ("gone", "drop")], DecisionTreeClassifier(), cv=2, passthrough=True
    ),
    "VotingClassifier": lambda: VotingClassifier(_classifiers()),
    "VotingClassifier soft": lambda: VotingClassifier(
        [*_classifiers(), ("gone", "drop"), ("c", VotingClassifier(_classifiers(), voting="soft"))],
        voting="soft",
        weights=[1, 2, 3, 4],
    ),
    "pipeline of SVC": lambda: make_pipeline(StandardScaler(), SVC()),
}
REGRESSORS: dict[str, Callable[[], Any]] = {
    "ARDRegression": ARDRegression,
    "AdaBoostRegressor": lambda: AdaBoostRegressor(n_estimators=3),
    "AdaBoostRegressor of machines": lambda: AdaBoostRegressor(SVR(), n_estimators=3),
    "BaggingRegressor": lambda: BaggingRegressor(n_estimators=3, max_features=2),
    "BaggingRegressor again": lambda: BaggingRegressor(
        Ridge(), n_estimators=3, bootstrap_features=True
    ),
    "BaggingRegressor of networks": lambda: BaggingRegressor(
        MLPRegressor(hidden_layer_sizes=(2,), max_iter=2), n_estimators=2
    ),
    "BayesianRidge": BayesianRidge,
    "DecisionTreeRegressor": lambda: DecisionTreeRegressor(max_depth=3),
    "DecisionTreeRegressor of one leaf": lambda: DecisionTreeRegressor(min_samples_leaf=60),
    "DummyRegressor": DummyRegressor,
    "DummyRegressor quantile": lambda: DummyRegressor(strategy="quantile", quantile=0.3),
    "ElasticNet": ElasticNet,
    "ElasticNetCV": lambda: ElasticNetCV(cv=2),
    "ExtraTreeRegressor": lambda: ExtraTreeRegressor(max_depth=3),
    "ExtraTreesRegressor": lambda: ExtraTreesRegressor(3),
    "LGBMRegressor": lambda: LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1),
    "GradientBoostingRegressor": lambda: GradientBoostingRegressor(n_estimators=3),
    "GradientBoostingRegressor huber": lambda: GradientBoostingRegressor(
        loss="huber", n_estimators=3
    ),
    "GradientBoostingRegressor from a vote": lambda: GradientBoostingRegressor(
        init=VotingRegressor(_trees()), n_estimators=3
    ),
    "GradientBoostingRegressor from zero": lambda: GradientBoostingRegressor(
        n_estimators=3, init="zero"
    ),
    "HistGradientBoostingRegressor": lambda: HistGradientBoostingRegressor(
        max_iter=3, min_samples_leaf=5
    ),
    "GaussianRandomProjection": lambda: make_pipeline(GaussianRandomProjection(2), Ridge()),
    "HuberRegressor": lambda: HuberRegressor(max_iter=1000),
    "Lars": Lars,
    "LarsCV": lambda: LarsCV(cv=2),
    "Lasso": Lasso,
    "LassoCV": lambda: LassoCV(cv=2),
    "LassoLars": LassoLars,
    "LassoLarsCV": lambda: LassoLarsCV(cv=2),
    "LinearRegression": LinearRegression,
    "LinearRegression without intercept": lambda: LinearRegression(fit_intercept=False),
    "LinearSVR": LinearSVR,
    "MLPRegressor": lambda: MLPRegressor(hidden_layer_sizes=(4, 3), max_iter=5),
    "MLPRegressor lbfgs": lambda: MLPRegressor(hidden_layer_sizes=(3,), solver="lbfgs", max_iter=5),
    "MLPRegressor sgd": lambda: MLPRegressor(hidden_layer_sizes=(3,), solver="sgd", max_iter=5),
    "NuSVR": NuSVR,
    "OrthogonalMatchingPursuitCV": lambda: OrthogonalMatchingPursuitCV(cv=2),
    "Pipeline": lambda: Pipeline([("scale", StandardScaler()), ("end", Ridge())]),
    "QuantileRegressor": QuantileRegressor,
    "RandomForestRegressor": lambda: RandomForestRegressor(3),
    "Ridge": Ridge,
    "RidgeCV": RidgeCV,
    "SGDRegressor": SGDRegressor,
    "SVR": SVR,
    "SVR of no vectors": lambda: SVR(epsilon=100.0),
    "StackingRegressor": lambda: StackingRegressor(_trees(), cv=2),
    "StackingRegressor passing": lambda: StackingRegressor(_trees(), passthrough=True, cv=2),
    "TheilSenRegressor": lambda: TheilSenRegressor(max_subpopulation=50),
    "TransformedTargetRegressor": lambda: TransformedTargetRegressor(
        Ridge(), transformer=QuantileTransformer(n_quantiles=10)
    ),
    "TweedieRegressor": TweedieRegressor,
    "VotingRegressor": lambda: VotingRegressor([*_trees(), ("gone", "drop")]),
    "VotingRegressor of every kind": lambda: VotingRegressor(
        [
            ("linear", make_pipeline(StandardScaler(), SGDRegressor())),
            ("glm", TweedieRegressor()),
            ("cross-validated", RidgeCV()),
            ("forest", RandomForestRegressor(2)),
            ("boosted", GradientBoostingRegressor(n_estimators=2)),
            ("histograms", HistGradientBoostingRegressor(max_iter=2)),
            ("constant", DummyRegressor()),
            ("machine", SVR()),
            ("stacked", StackingRegressor(_trees(), cv=2)),
            ("bagged", BaggingRegressor(n_estimators=2)),
            (
                "transformed",
                TransformedTargetRegressor(
                    transformer=make_pipeline(StandardScaler(), PowerTransformer())
                ),
            ),
            ("plain", TransformedTargetRegressor(Ridge())),
        ]
    ),
    "VotingRegressor weighted": lambda: VotingRegressor(_trees(), weights=[1, 2]),
    "XGBRegressor": lambda: XGBRegressor(n_estimators=3, n_jobs=1),
    "XGBRFRegressor": lambda: XGBRFRegressor(n_estimators=3, n_jobs=1),
}
OTHERS: dict[str, Callable[[], Fitted]] = {
    "DummyClassifier constant": lambda: (
        DummyClassifier(strategy="constant", constant=["low"]),
        X,
        TWO,
    ),
    "BandEncoder": lambda: _steps(BandEncoder([-9.0, 0.0, 9.0], ["low", "high"])),
    "Binarizer": lambda: _steps(Binarizer(threshold=0.3)),
    "ColumnTransformer": lambda: _steps(
        ColumnTransformer(
            [
                ("a", StandardScaler(), [0, -1]),
                ("b", "passthrough", slice(1, 2)),
                ("c", MinMaxScaler(), [False, False, True, False]),
                ("none", StandardScaler(), []),
            ],
            remainder="passthrough",
        )
    ),
    "ColumnTransformer sparse": lambda: _steps(
        ColumnTransformer([("a", OneHotEncoder(), [0]), ("b", "drop", [1])], sparse_threshold=1.0),
        rows=CATEGORIES,
    ),
    "ComplementNB": lambda: (ComplementNB(), POSITIVE, THREE),
    "DecisionTreeRegressor sparse": lambda: (
        make_pipeline(OneHotEncoder(), DecisionTreeRegressor(max_depth=3)),
        CATEGORIES,
        Y,
    ),
    "FeatureUnion": lambda: _steps(
        FeatureUnion([("a", StandardScaler()), ("b", "passthrough"), ("c", PCA(1))])
    ),
    "FunctionTransformer": lambda: _steps(FunctionTransformer()),
    "GammaRegressor": lambda: (GammaRegressor(), X, np.abs(Y) + 0.1),
    **{
        f"{kind.__name__} of two numbers": lambda kind=kind: (
            kind(),
            X,
            np.column_stack([Y, X[:, 0]]),
        )
        for kind in (MultiTaskElasticNet, MultiTaskElasticNetCV, MultiTaskLassoCV)
    },
    **{
        kind.__name__: lambda kind=kind: _steps(kind(f_regression))
        for kind in (GenericUnivariateSelect, SelectFdr, SelectFpr, SelectFwe)
    },
    "GradientBoostingRegressor sparse": lambda: (
        make_pipeline(OneHotEncoder(), GradientBoostingRegressor(n_estimators=3)),
        CATEGORIES,
        Y,
    ),
    "KBinsDiscretizer": lambda: _steps(_bins(encode="onehot")),
    "KBinsDiscretizer dense": lambda: _steps(_bins(encode="onehot-dense", strategy="uniform")),
    "KBinsDiscretizer ordinal": lambda: _steps(_bins(encode="ordinal", strategy="kmeans")),
    "KBinsDiscretizer of few values": lambda: _steps(
        _bins(n_bins=10), rows=np.column_stack([FEW, np.ones(60)])
    ),
    "MaxAbsScaler": lambda: _steps(MaxAbsScaler()),
    "MaxAbsScaler sparse": lambda: _steps(OneHotEncoder(), MaxAbsScaler(), rows=CATEGORIES),
    "MinMaxScaler": lambda: _steps(MinMaxScaler()),
    "MissingIndicator": lambda: _steps(MissingIndicator(), rows=GAPS),
    "MissingIndicator all": lambda: _steps(MissingIndicator(features="all"), rows=X),
    "MultinomialNB": lambda: (MultinomialNB(), POSITIVE, THREE),
    "Normalizer": lambda: _steps(Normalizer()),
    "OneHotEncoder": lambda: _steps(OneHotEncoder(), rows=CATEGORIES),
    "OneHotEncoder ignoring": lambda: _steps(
        OneHotEncoder(handle_unknown="ignore", drop="if_binary", sparse_output=False),
        rows=np.column_stack([WORDS, TWO]),
    ),
    "OneHotEncoder dropping": lambda: _steps(OneHotEncoder(drop="first"), rows=CATEGORIES),
    "OneHotEncoder dropping some": lambda: _steps(
        OneHotEncoder(drop=["b", 2], dtype=np.int8), rows=CATEGORIES
    ),
    "OneHotEncoder infrequent": lambda: _steps(
        OneHotEncoder(max_categories=3, handle_unknown="infrequent_if_exist"), rows=CATEGORIES
    ),
    "OneHotEncoder infrequent and dropping": lambda: _steps(
        OneHotEncoder(min_frequency=13, drop="first"), rows=CATEGORIES
    ),
    "OrdinalEncoder": lambda: _steps(OrdinalEncoder(), rows=CATEGORIES),
    "OrdinalEncoder unknown": lambda: _steps(
        OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=-1,
            max_categories=3,
            encoded_missing_value=-2,
        ),
        rows=np.where(_draws.random((60, 2)) < 0.2, np.nan, FEW),
    ),
    "PCA": lambda: _steps(PCA(2, whiten=True)),
    "PoissonRegressor": lambda: (PoissonRegressor(), X, np.abs(Y)),
    "PolynomialFeatures": lambda: _steps(PolynomialFeatures(3)),
    "PolynomialFeatures of products": lambda: _steps(
        PolynomialFeatures((2, 3), interaction_only=True, include_bias=False)
    ),
    "DateEncoder": lambda: _steps(DateEncoder()),
    "PolynomialFeatures between": lambda: _steps(PolynomialFeatures((2, 4))),
    "PolynomialFeatures beyond": lambda: _steps(PolynomialFeatures(9, interaction_only=True)),
    "PolynomialFeatures sparse": lambda: _steps(
        OneHotEncoder(), PolynomialFeatures(2), rows=CATEGORIES
    ),
    "PowerTransformer": lambda: _steps(PowerTransformer()),
    "QuantileTransformer": lambda: _steps(QuantileTransformer(n_quantiles=10)),
    "RobustScaler": lambda: _steps(RobustScaler()),
    "RobustScaler plain": lambda: _steps(RobustScaler(with_centering=False, with_scaling=False)),
    "TextEncoder": lambda: _steps(
        TextEncoder(), rows=np.char.multiply(WORDS.astype(str), 2)[:, None].astype(object)
    ),
    "SignedLog": lambda: _steps(SignedLog()),
    "SimpleImputer": lambda: _steps(SimpleImputer(), rows=GAPS),
    "SimpleImputer with indicator": lambda: _steps(SimpleImputer(add_indicator=True), rows=GAPS),
    "SimpleImputer of texts": lambda: _steps(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(), rows=WORDS.reshape(-1, 1)
    ),
    "SimpleImputer constant": lambda: _steps(
        SimpleImputer(strategy="constant", fill_value=0.5), rows=GAPS
    ),
    "SimpleImputer of an empty column": lambda: _steps(
        SimpleImputer(keep_empty_features=False), rows=np.column_stack([GAPS, np.full(60, np.nan)])
    ),
    "SplineTransformer periodic": lambda: _steps(
        SplineTransformer(n_knots=4, extrapolation="periodic")
    ),
    "StandardScaler": lambda: _steps(StandardScaler()),
    "StandardScaler plain": lambda: _steps(StandardScaler(with_mean=False, with_std=False)),
    "StandardScaler sparse": lambda: _steps(
        OneHotEncoder(), StandardScaler(with_mean=False), rows=CATEGORIES
    ),
    "TruncatedSVD": lambda: _steps(TruncatedSVD(2)),
    "VarianceThreshold": lambda: _steps(VarianceThreshold(0.5)),
    "XGBClassifier": lambda: (XGBClassifier(n_estimators=3, n_jobs=1), X, THREE),
    "XGBRFClassifier": lambda: (XGBRFClassifier(n_estimators=3, n_jobs=1), X, THREE),
}


def _bins(**parameters: Any) -> KBinsDiscretizer:
    return KBinsDiscretizer(
        **{"n_bins": 4, "quantile_method": "averaged_inverted_cdf", **parameters}
    )


NAMES = [
    *(f"{name}, {labels}" for name in CLASSIFIERS for labels in ("two labels", "three labels")),
    *REGRESSORS,
    *OTHERS,
]


@cache
def fitted(name: str) -> tuple[Any, Any]:
    """The model of ``NAMES`` called ``name``, and the rows that it was fitted on.

    All that is random in it is drawn from the seed 0: other draws can leave a column unused.
    """
    kind, _, labels = name.partition(", ")
    if labels:
        model, rows, answers = CLASSIFIERS[kind](), X, TWO if labels == "two labels" else THREE
    elif name in REGRESSORS:
        model, rows, answers = REGRESSORS[name](), X, Y
    else:
        model, rows, answers = OTHERS[name]()
    seeds = [key for key in model.get_params() if key.rpartition("__")[2] == "random_state"]
    model.set_params(**dict.fromkeys(seeds, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that so short a training has not converged
        return model.fit(rows, answers), rows


# XGBoost cannot free a booster once the interpreter has cleared its modules.
atexit.register(fitted.cache_clear)
