"""Models that data scientists bring, each small: the way they are usually fitted, not ours."""

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import loguniform, randint
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.covariance import EllipticEnvelope
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import (
    NMF,
    PCA,
    FactorAnalysis,
    FastICA,
    IncrementalPCA,
    KernelPCA,
    TruncatedSVD,
)
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.feature_selection import (
    RFE,
    RFECV,
    SelectFromModel,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
    chi2,
    f_regression,
    mutual_info_regression,
)
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    ElasticNetCV,
    Lasso,
    LassoLarsIC,
    LinearRegression,
    LogisticRegression,
    MultiTaskLasso,
    OrthogonalMatchingPursuit,
    Perceptron,
    RANSACRegressor,
    Ridge,
    SGDClassifier,
    SGDOneClassSVM,
)
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.naive_bayes import CategoricalNB, GaussianNB, MultinomialNB
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    LocalOutlierFactor,
    NearestCentroid,
    RadiusNeighborsRegressor,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.semi_supervised import LabelPropagation, LabelSpreading
from sklearn.svm import SVC, SVR, LinearSVC, OneClassSVM

_draws = np.random.default_rng(12)
ROWS = 80
X = _draws.normal(size=(ROWS, 4))
Y = X @ [1.0, -2.0, 0.5, 0.0] + _draws.normal(size=ROWS) / 10
BOTH = np.column_stack([Y, X[:, 0] - Y])
TWO = np.where(Y > 0, "yes", "no")
THREE = np.digitize(Y, [-1, 1])
GAPS = np.where(_draws.random((ROWS, 4)) < 0.1, np.nan, X)
COUNTS = _draws.integers(0, 4, (ROWS, 4))
_words = _draws.choice(["good", "bad", "late", "fast", "broken", "fine"], (ROWS, 3))
TEXTS = np.array([" ".join(words) for words in _words], dtype=object)
FRAME = pd.DataFrame(
    {
        "age": _draws.uniform(1, 99, ROWS),
        "rate": X[:, 0],
        "city": pd.Series(_draws.choice(["Ghent", "Leeds", "Turin"], ROWS), dtype=object),
        "review": pd.Series(TEXTS, dtype=object),
    }
)
CITIES = FRAME[["age", "rate", "city"]]


def _by_type() -> Any:
    return make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include=np.number)),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include=object)),
    )


def _by_name(**encoder: Any) -> Any:
    return make_column_transformer(
        (TargetEncoder(cv=2, **encoder), ["city"]), remainder="passthrough"
    )


def _pair() -> list[tuple[str, Any]]:
    return [("a", LogisticRegression()), ("b", RandomForestClassifier(3, random_state=0))]


POPULAR: dict[str, Callable[[], tuple[Any, Any, Any]]] = {
    "AdaBoost": lambda: (AdaBoostClassifier(n_estimators=3), X, TWO),
    "Bagging": lambda: (BaggingRegressor(n_estimators=3), X, Y),
    "bins": lambda: (
        make_pipeline(KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"), Ridge()),
        X,
        Y,
    ),
    "calibrated boosting": lambda: (
        CalibratedClassifierCV(HistGradientBoostingClassifier(max_iter=3), cv=2),
        X,
        TWO,
    ),
    "calibrated by isotonic curves": lambda: (
        CalibratedClassifierCV(GaussianNB(), method="isotonic", cv=2),
        X,
        THREE,
    ),
    "calibrated by temperature": lambda: (
        CalibratedClassifierCV(LogisticRegression(), method="temperature", cv=2),
        X,
        THREE,
    ),
    "calibrated machine": lambda: (CalibratedClassifierCV(LinearSVC(), cv=2), X, TWO),
    "calibrated pipeline of a frame": lambda: (
        CalibratedClassifierCV(make_pipeline(_by_type(), LinearSVC()), cv=2),
        CITIES,
        TWO,
    ),
    "CategoricalNB": lambda: (CategoricalNB(min_categories=4), COUNTS, TWO),
    "chain of classifiers": lambda: (
        ClassifierChain(LogisticRegression()),
        X,
        np.column_stack([Y > 0, X[:, 0] > 0]).astype(int),
    ),
    "chain of regressors": lambda: (RegressorChain(Ridge(), order=[1, 0]), X, BOTH),
    "columns by type": lambda: (make_pipeline(_by_type(), LogisticRegression()), CITIES, TWO),
    "CountVectorizer": lambda: (make_pipeline(CountVectorizer(), MultinomialNB()), TEXTS, TWO),
    "target with expm1": lambda: (
        TransformedTargetRegressor(LinearRegression(), func=np.log1p, inverse_func=np.expm1),
        X,
        np.abs(Y),
    ),
    "ElasticNetCV": lambda: (ElasticNetCV(cv=2), X, Y),
    "EllipticEnvelope": lambda: (EllipticEnvelope(random_state=0), X, None),
    "ExtraTrees": lambda: (ExtraTreesRegressor(3), X, Y),
    "FactorAnalysis": lambda: (make_pipeline(FactorAnalysis(2), Ridge()), X, Y),
    "FastICA": lambda: (make_pipeline(FastICA(2, random_state=0), Ridge()), X, Y),
    "forest": lambda: (RandomForestClassifier(5), X, THREE),
    "forest of several numbers": lambda: (RandomForestRegressor(5), X, BOTH),
    "function of numpy": lambda: (
        make_pipeline(FunctionTransformer(np.log1p, inverse_func=np.expm1), Ridge()),
        np.abs(X),
        Y,
    ),
    "function of one's own": lambda: (
        make_pipeline(FunctionTransformer(_clipped), Ridge()),
        X,
        Y,
    ),
    "GaussianProcessClassifier": lambda: (GaussianProcessClassifier(), X, TWO),
    "GaussianProcessRegressor": lambda: (
        GaussianProcessRegressor(RBF() + WhiteKernel(), normalize_y=True),
        X,
        Y,
    ),
    "GradientBoostingClassifier": lambda: (GradientBoostingClassifier(n_estimators=5), X, THREE),
    "GradientBoostingClassifier of two": lambda: (
        GradientBoostingClassifier(n_estimators=5, loss="exponential"),
        X,
        TWO,
    ),
    "GradientBoostingRegressor": lambda: (GradientBoostingRegressor(n_estimators=5), X, Y),
    "GridSearchCV": lambda: (GridSearchCV(Ridge(), {"alpha": [1, 2]}, cv=2), X, Y),
    "GridSearchCV of a pipeline": lambda: (
        GridSearchCV(
            make_pipeline(_by_type(), RandomForestClassifier(3)),
            {"randomforestclassifier__max_depth": [1, 2]},
            scoring=["accuracy", "neg_log_loss"],
            refit="accuracy",
            cv=KFold(2),
        ),
        CITIES,
        TWO,
    ),
    "HalvingGridSearchCV": lambda: (
        HalvingGridSearchCV(Lasso(), {"alpha": [0.1, 0.2]}, cv=2, min_resources=20),
        X,
        Y,
    ),
    "HashingVectorizer": lambda: (
        make_pipeline(HashingVectorizer(n_features=64), SGDClassifier(random_state=0)),
        TEXTS,
        TWO,
    ),
    "HistGradientBoosting": lambda: (HistGradientBoostingRegressor(max_iter=5), GAPS, Y),
    "HistGradientBoosting by codes": lambda: (
        make_pipeline(
            make_column_transformer(
                (OrdinalEncoder(), ["city"]),
                remainder="passthrough",
                verbose_feature_names_out=False,
            ),
            HistGradientBoostingRegressor(categorical_features=[0], max_iter=5),
        ),
        CITIES,
        Y,
    ),
    "HistGradientBoosting by names": lambda: (
        HistGradientBoostingClassifier(categorical_features=["city"], max_iter=5),
        CITIES,
        THREE,
    ),
    "IncrementalPCA": lambda: (make_pipeline(IncrementalPCA(2), Ridge()), X, Y),
    "IsolationForest": lambda: (IsolationForest(n_estimators=5, max_features=0.7), X, None),
    "IsotonicRegression": lambda: (IsotonicRegression(out_of_bounds="clip"), X[:, :1], Y),
    "IterativeImputer": lambda: (make_pipeline(IterativeImputer(), Ridge()), GAPS, Y),
    "KernelPCA": lambda: (make_pipeline(KernelPCA(2, kernel="rbf"), Ridge()), X, Y),
    "KernelRidge": lambda: (KernelRidge(kernel="rbf"), X, Y),
    "KMeans": lambda: (KMeans(3, random_state=0), X, None),
    "KNN": lambda: (make_pipeline(StandardScaler(), KNeighborsClassifier()), X, THREE),
    "KNN by brute force": lambda: (KNeighborsClassifier(3, algorithm="brute"), X, TWO),
    "KNN by distance": lambda: (
        KNeighborsRegressor(weights="distance", algorithm="ball_tree", p=3),
        X,
        Y,
    ),
    "KNN of counts": lambda: (KNeighborsClassifier(), COUNTS, THREE),
    "KNN of texts": lambda: (make_pipeline(TfidfVectorizer(), KNeighborsClassifier()), TEXTS, TWO),
    "KNNImputer": lambda: (make_pipeline(KNNImputer(add_indicator=True), Ridge()), GAPS, Y),
    "LabelSpreading": lambda: (LabelSpreading(), X, THREE),
    "LabelPropagation": lambda: (LabelPropagation(), X, TWO),
    "LassoLarsIC": lambda: (LassoLarsIC(), X, Y),
    "LocalOutlierFactor": lambda: (LocalOutlierFactor(novelty=True), X, None),
    "logistic regression": lambda: (make_pipeline(StandardScaler(), LogisticRegression()), X, TWO),
    "MiniBatchKMeans": lambda: (MiniBatchKMeans(2, random_state=0), X, None),
    "MLP": lambda: (MLPClassifier((4,), max_iter=5), X, THREE),
    "MultiOutputClassifier": lambda: (
        MultiOutputClassifier(RandomForestClassifier(3)),
        X,
        np.column_stack([TWO, np.where(X[:, 0] > 0, "up", "down")]),
    ),
    "MultiOutputRegressor": lambda: (
        MultiOutputRegressor(GradientBoostingRegressor(n_estimators=3)),
        X,
        BOTH,
    ),
    "MultiTaskLasso": lambda: (MultiTaskLasso(0.1), X, BOTH),
    "NearestCentroid": lambda: (NearestCentroid(), X, THREE),
    "NMF": lambda: (make_pipeline(NMF(2), Ridge()), np.abs(X), Y),
    "Normalizer": lambda: (make_pipeline(Normalizer(), SVC(kernel="rbf")), X, TWO),
    "Nystroem": lambda: (make_pipeline(Nystroem(n_components=8), SGDClassifier()), X, TWO),
    "OneClassSVM": lambda: (OneClassSVM(), X, None),
    "OneVsOne": lambda: (OneVsOneClassifier(LinearSVC()), X, THREE),
    "OneVsRest": lambda: (OneVsRestClassifier(LogisticRegression()), X, THREE),
    "OrthogonalMatchingPursuit": lambda: (OrthogonalMatchingPursuit(), X, Y),
    "OutputCode": lambda: (OutputCodeClassifier(LogisticRegression(), random_state=0), X, THREE),
    "PCA": lambda: (make_pipeline(StandardScaler(), PCA(2), LogisticRegression()), X, TWO),
    "Perceptron": lambda: (Perceptron(), X, TWO),
    "PLS": lambda: (PLSRegression(2), X, Y),
    "PLS of several numbers": lambda: (PLSRegression(2), X, BOTH),
    "PolynomialFeatures": lambda: (
        make_pipeline(PolynomialFeatures(2), StandardScaler(), Lasso(0.01)),
        X,
        Y,
    ),
    "PowerTransformer": lambda: (make_pipeline(PowerTransformer(), Ridge()), X, Y),
    "RadiusNeighbors": lambda: (RadiusNeighborsRegressor(9.0), X, Y),
    "RandomizedSearchCV": lambda: (
        RandomizedSearchCV(Ridge(), {"alpha": loguniform(0.1, 1)}, n_iter=2, cv=2, scoring="r2"),
        X,
        Y,
    ),
    "RandomizedSearchCV of whole numbers": lambda: (
        RandomizedSearchCV(
            RandomForestRegressor(3), {"max_depth": randint(1, 4)}, n_iter=2, cv=KFold(2)
        ),
        X,
        Y,
    ),
    "RANSAC": lambda: (RANSACRegressor(random_state=0), X, Y),
    "RBFSampler": lambda: (make_pipeline(RBFSampler(n_components=8), Ridge()), X, Y),
    "RFE": lambda: (RFE(LogisticRegression(), n_features_to_select=2), X, TWO),
    "RFECV in a pipeline": lambda: (
        make_pipeline(RFECV(RandomForestRegressor(3), cv=2), Ridge()),
        X,
        Y,
    ),
    "search inside a pipeline": lambda: (
        make_pipeline(StandardScaler(), GridSearchCV(SVC(), {"C": [1, 2]}, cv=2)),
        X,
        TWO,
    ),
    "searches in a vote": lambda: (
        VotingClassifier(
            [
                ("a", GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2)),
                ("b", RandomForestClassifier(3)),
            ]
        ),
        X,
        TWO,
    ),
    "SelectFromModel": lambda: (
        make_pipeline(SelectFromModel(RandomForestRegressor(3)), Ridge()),
        X,
        Y,
    ),
    "SelectKBest": lambda: (make_pipeline(SelectKBest(mutual_info_regression, k=2), SVR()), X, Y),
    "SelectKBest of terms": lambda: (
        make_pipeline(CountVectorizer(), SelectKBest(chi2, k=3), MultinomialNB()),
        TEXTS,
        TWO,
    ),
    "SelectPercentile": lambda: (
        make_pipeline(SelectPercentile(f_regression, percentile=50), Ridge()),
        X,
        Y,
    ),
    "SequentialFeatureSelector": lambda: (
        make_pipeline(SequentialFeatureSelector(Ridge(), n_features_to_select=2, cv=2), Ridge()),
        X,
        Y,
    ),
    "SGDOneClassSVM": lambda: (SGDOneClassSVM(random_state=0), X, None),
    "SplineTransformer": lambda: (make_pipeline(SplineTransformer(), Ridge()), X, Y),
    "SplineTransformer with lines": lambda: (
        make_pipeline(
            SplineTransformer(degree=2, include_bias=False, extrapolation="linear"), Ridge()
        ),
        X,
        Y,
    ),
    "Stacking": lambda: (StackingClassifier(_pair(), cv=2), X, THREE),
    "SVC of texts": lambda: (make_pipeline(TfidfVectorizer(), SVC()), TEXTS, TWO),
    "SVC with probabilities": lambda: (
        make_pipeline(StandardScaler(), CalibratedClassifierCV(SVC(), ensemble=False, cv=2)),
        X,
        TWO,
    ),
    "TargetEncoder": lambda: (make_pipeline(_by_name(), Ridge()), CITIES, Y),
    "TargetEncoder of classes": lambda: (
        make_pipeline(_by_name(), LogisticRegression(max_iter=1000)),
        CITIES,
        THREE,
    ),
    "target with exp of a boosted pipeline": lambda: (
        TransformedTargetRegressor(
            make_pipeline(StandardScaler(), GradientBoostingRegressor(n_estimators=5)),
            func=np.log,
            inverse_func=np.exp,
        ),
        X,
        np.abs(Y) + 0.1,
    ),
    "target with square of a forest": lambda: (
        TransformedTargetRegressor(RandomForestRegressor(5), func=np.sqrt, inverse_func=np.square),
        X,
        np.abs(Y),
    ),
    "target that is standardised": lambda: (
        TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
        X,
        Y,
    ),
    "Tfidf and columns": lambda: (
        make_pipeline(
            ColumnTransformer(
                [
                    ("text", TfidfVectorizer(min_df=2), "review"),
                    ("city", OneHotEncoder(handle_unknown="ignore"), ["city"]),
                    ("numbers", "passthrough", ["age", "rate"]),
                ]
            ),
            LogisticRegression(max_iter=1000),
        ),
        FRAME,
        TWO,
    ),
    "TfidfTransformer": lambda: (
        make_pipeline(CountVectorizer(), TfidfTransformer(), LinearSVC()),
        TEXTS,
        TWO,
    ),
    "TfidfVectorizer": lambda: (
        Pipeline([("tfidf", TfidfVectorizer(ngram_range=(1, 2))), ("clf", LogisticRegression())]),
        TEXTS,
        TWO,
    ),
    "TruncatedSVD": lambda: (
        make_pipeline(
            TfidfVectorizer(),
            TruncatedSVD(2, random_state=0),
            RandomForestClassifier(3, random_state=0),
        ),
        TEXTS,
        TWO,
    ),
    "TunedThresholdClassifierCV": lambda: (
        TunedThresholdClassifierCV(LogisticRegression(), cv=2),
        X,
        TWO,
    ),
    "union": lambda: (make_pipeline(make_union(PCA(2), StandardScaler()), Ridge()), X, Y),
    "VarianceThreshold": lambda: (
        make_pipeline(SimpleImputer(), VarianceThreshold(0.1), Ridge()),
        GAPS,
        Y,
    ),
    "Voting": lambda: (VotingClassifier(_pair(), voting="soft"), X, THREE),
}
"""Each returns a model that is not fitted, its rows and its answers."""


def _clipped(rows: Any) -> Any:
    return np.clip(rows, -1, 1)


@cache
def popular(name: str) -> tuple[Any, Any]:
    """The fitted model of ``POPULAR`` called ``name``, and the rows that it was fitted on."""
    model, rows, answers = POPULAR[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that so short a training has not converged
        return model.fit(rows) if answers is None else model.fit(rows, answers), rows
