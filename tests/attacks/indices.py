"""Genuine models whose stored positions, counts or shapes were changed.

NumPy detects some of it, for some rows. Compiled code detects none of it, and allocates as much
memory as the file declares.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import RFE
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import IterativeImputer, KNNImputer, MissingIndicator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import RegressorChain
from sklearn.naive_bayes import CategoricalNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeRegressor

from tests.attacks.attack import Attack
from tests.attacks.opcodes import written

_draws = np.random.default_rng(9)
X = _draws.normal(size=(60, 3))
Y = X @ [1.0, -2.0, 0.5]
TWO = (Y > 0).astype(int)
THREE = np.digitize(Y, [-1, 1])
LETTERS = np.array(list("abcde"), dtype=object)[_draws.integers(0, 5, (60, 2))]
_MANY = 2**31 - 1


def _after(step: Any, rows: Any = X, **changes: Any) -> Pipeline:
    """A fitted pipeline of ``step``, its attributes changed, and a regression."""
    model = make_pipeline(step, Ridge()).fit(rows, Y)
    vars(model[0]).update(changes)
    return model


def _with(model: Any, answers: Any = Y, **changes: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that so short a training has not converged
        model.fit(X, answers)
    vars(model).update(changes)
    return model


def _one_hot(change: Callable[[Any], None], **parameters: Any) -> Pipeline:
    model = _after(OneHotEncoder(**parameters), LETTERS)
    change(model[0])
    return model


def _bins(change: Callable[[Any], None]) -> Pipeline:
    model = _after(KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"))
    change(model[0])
    return model


def _set(name: str, place: int, value: Any) -> Callable[[Any], None]:
    """Changes one item of a list or an array of an estimator."""

    def change(estimator: Any) -> None:
        getattr(estimator, name)[place] = value

    return change


def _shift(encoder: Any) -> None:
    """As many columns as before, so that what follows sees nothing of it."""
    encoder._n_features_outs = [sum(encoder._n_features_outs) - 1, 1]


def _inner_encoder(bins: Any) -> None:
    bins._encoder._n_features_outs = [10, 1, 1]


def _fewer_edges(bins: Any) -> None:
    bins.bin_edges_[0] = np.linspace(-1, 1, 90)


def _drop_beyond(encoder: Any) -> None:
    encoder._drop_idx_after_grouping[0] = -(10**6)


def _network() -> MLPClassifier:
    model: MLPClassifier = _with(MLPClassifier((2,), max_iter=2), TWO)
    model.coefs_[1] = np.ones((9, 1))
    return model


def _labels() -> MLPClassifier:
    model: MLPClassifier = _with(MLPClassifier((2,), max_iter=2), TWO)
    model._label_binarizer.classes_ = np.array([5, 6])
    return model


def _labelling(**changes: Any) -> MLPClassifier:
    """A network of which the LabelBinarizer has ``changes``."""
    model: MLPClassifier = _with(MLPClassifier((2,), max_iter=2), TWO)
    vars(model._label_binarizer).update(changes)
    return model


def _constant(label: Any) -> DummyClassifier:
    """A classifier that answers ``label`` for each row, of the classes 0 and 1."""
    return _with(DummyClassifier(strategy="constant", constant=0), TWO, constant=label)


RARE = {"max_categories": 3, "handle_unknown": "infrequent_if_exist"}
HOSTILE: dict[str, Callable[[], Any]] = {
    "a OneHotEncoder with fewer columns than categories": lambda: _one_hot(
        _set("_n_features_outs", 1, 1)
    ),
    "a OneHotEncoder whose last categories are beyond its columns": lambda: _one_hot(
        _shift, sparse_output=False
    ),
    "a OneHotEncoder with a negative number of columns": lambda: _one_hot(
        _set("_n_features_outs", 0, -(10**6))
    ),
    "a OneHotEncoder with 2^40 columns": lambda: _one_hot(_set("_n_features_outs", 0, 2**40)),
    "a OneHotEncoder that drops a category it has not": lambda: _one_hot(
        _drop_beyond, drop="first"
    ),
    "a OneHotEncoder whose rare categories are elsewhere": lambda: _one_hot(
        _set("_default_to_infrequent_mappings", 0, np.full(5, 10**6)), **RARE
    ),
    "a OneHotEncoder with a rare category beyond its categories": lambda: _one_hot(
        _set("_infrequent_indices", 0, np.array([10**6])), **RARE
    ),
    "a OneHotEncoder of fewer columns than it takes": lambda: _one_hot(
        lambda encoder: encoder.categories_.pop()
    ),
    "an OrdinalEncoder whose missing value is elsewhere": lambda: _after(
        OrdinalEncoder(), LETTERS, _missing_indices={77: 1}
    ),
    "a KBinsDiscretizer whose last bins are beyond its columns": lambda: _bins(_inner_encoder),
    "a KBinsDiscretizer with more edges than bins": lambda: _bins(_fewer_edges),
    "a KBinsDiscretizer with more bins than edges": lambda: _bins(_set("n_bins_", 0, 90)),
    "PolynomialFeatures that reserve 2^31 columns": lambda: _after(
        PolynomialFeatures(2), _n_out_full=_MANY
    ),
    "PolynomialFeatures of degree 10^9": lambda: _after(
        PolynomialFeatures(2), _max_degree=10**9, _n_out_full=10**9
    ),
    "PolynomialFeatures of degree 2^62 without features": lambda: _after(
        PolynomialFeatures(2), _max_degree=2**62, n_features_in_=0
    ),
    "PolynomialFeatures of degree 2^62 with one feature": lambda: _after(
        PolynomialFeatures(2), _max_degree=2**62, n_features_in_=1
    ),
    "PolynomialFeatures with columns that nothing fills": lambda: _after(
        PolynomialFeatures(2), _n_out_full=20, n_output_features_=10
    ),
    "a MissingIndicator of a column it has not": lambda: _after(
        MissingIndicator(features="all"), features_=np.array([99])
    ),
    "a ColumnTransformer of a column it has not": lambda: _columns(chosen=[99]),
    "a ColumnTransformer that makes 2^40 columns": lambda: _columns(output=slice(0, 2**40)),
    "a GaussianNB that takes 2^31 columns": lambda: _with(GaussianNB(), TWO, n_features_in_=_MANY),
    "a GaussianNB of more classes than it has": lambda: _with(
        GaussianNB(), TWO, classes_=np.arange(9)
    ),
    "a LogisticRegression of more scores than classes": lambda: _with(
        LogisticRegression(), THREE, coef_=np.ones((90, 3)), intercept_=np.ones(90)
    ),
    "a LinearRegression of objects": lambda: _with(
        LinearRegression(), coef_=np.array([1, 2, 3], dtype=object)
    ),
    "a LinearRegression with a sparse matrix of weights": lambda: _with(
        LinearRegression(), coef_=csr_array(np.ones((1, 3)))
    ),
    "a LinearRegression of more weights than columns": lambda: _with(
        LinearRegression(), coef_=np.ones(90)
    ),
    "a StandardScaler of more means than columns": lambda: _after(
        StandardScaler(), mean_=np.ones((90, 3))
    ),
    "a QuantileTransformer of fewer references": lambda: _after(
        QuantileTransformer(n_quantiles=10), references_=np.ones(2)
    ),
    "a DummyRegressor of 2^31 outputs": lambda: _with(DummyRegressor(), n_outputs_=_MANY),
    "a DummyClassifier of 2^31 outputs": lambda: _with(DummyClassifier(), TWO, n_outputs_=_MANY),
    "a forest of 2^31 classes": lambda: _with(RandomForestClassifier(2), TWO, n_classes_=_MANY),
    "a forest of 2^31 outputs": lambda: _with(RandomForestRegressor(2), n_outputs_=_MANY),
    "a tree of fewer classes than it answers": lambda: _with(
        DecisionTreeClassifier(), THREE, classes_=np.array([0])
    ),
    "a tree of another number of outputs": lambda: _with(DecisionTreeRegressor(), n_outputs_=9),
    "boosting from 2^31 zeros": lambda: _with(
        GradientBoostingRegressor(n_estimators=2, init="zero"), n_trees_per_iteration_=_MANY
    ),
    "boosting of fewer classes than trees a round": lambda: _with(
        GradientBoostingClassifier(n_estimators=2, init="zero"), THREE, classes_=np.arange(2)
    ),
    "histograms of fewer classes than trees a round": lambda: _with(
        HistGradientBoostingClassifier(max_iter=2), THREE, classes_=np.arange(2)
    ),
    "bagging of a column it has not": lambda: _bagged([np.array([0, 1, 99])] * 2),
    "bagging of a column before the first": lambda: _bagged([np.array([0, 1, -3])] * 2),
    "bagging of 2^31 classes": lambda: _with(
        BaggingClassifier(n_estimators=2), TWO, n_classes_=_MANY
    ),
    "bagging of classes it has not": lambda: _member(
        BaggingClassifier(n_estimators=2), classes_=np.array([0, 10**9])
    ),
    "a vote for class 2^40": lambda: _member(
        VotingClassifier([("a", DecisionTreeClassifier())]), classes_=np.array([0, 2**40])
    ),
    "a vote for a class before the first": lambda: _member(
        VotingClassifier([("a", DecisionTreeClassifier())]), classes_=np.array([0, -1])
    ),
    "a stacking that calls another method": lambda: _with(
        StackingRegressor([("a", Ridge())], cv=2), stack_method_=["set_params"]
    ),
    "a boosting with fewer weights than estimators": lambda: _with(
        AdaBoostRegressor(n_estimators=3), estimator_weights_=np.ones(1)
    ),
    "a network of 2^31 layers": lambda: _with(
        MLPClassifier((2,), max_iter=2), TWO, n_layers_=_MANY
    ),
    "a network with a layer of another width": _network,
    "a network of other labels": _labels,
    "a network that answers several labels for a row": lambda: _labelling(
        y_type_="multilabel-indicator"
    ),
    "a network that answers a sparse matrix": lambda: _labelling(sparse_input_=True),
    "a constant that is none of the classes": lambda: _constant(2**40),
    "a constant in a sparse matrix": lambda: _with(DummyClassifier(), TWO, sparse_output_=True),
    "a constant of several labels for each row": lambda: _constant([0, 1]),
    "a machine that predicts by another method": lambda: _with(SVR(), _impl="c_svc"),
    "boosting from a vote of answers in two dimensions": lambda: _boosted_from(
        _vote(_two_dimensional())
    ),
    "boosting from bagging of a column that it does not have": lambda: _boosted_from(
        _bagged([np.array([0, 1, 99])] * 2)
    ),
    "a vote of answers in two dimensions": lambda: _vote(_two_dimensional()),
    "bagging of answers in two dimensions": lambda: _of_two_dimensions(
        BaggingRegressor(Ridge(), n_estimators=2)
    ),
    "stacking of answers in two dimensions": lambda: _of_two_dimensions(
        StackingRegressor([("a", Ridge()), ("b", Ridge())], cv=2)
    ),
    "stacking that ends in two dimensions": lambda: _with(
        StackingRegressor([("a", Ridge())], Ridge(), cv=2),
        final_estimator_=_two_dimensional(X[:, :1]),
    ),
    "boosting of answers in two dimensions": lambda: _of_two_dimensions(
        AdaBoostRegressor(Ridge(), n_estimators=2)
    ),
    "a vote of pipelines that answer in two dimensions": lambda: _vote(
        make_pipeline(StandardScaler(), _two_dimensional())
    ),
    "a vote of answers that are transformed to two dimensions": lambda: _vote(
        TransformedTargetRegressor(transformer=StandardScaler()).fit(X, Y[:, None])
    ),
    "a vote of answers that are transformed to two columns": lambda: _vote(
        _with(TransformedTargetRegressor(Ridge()), transformer_=PCA(1).fit(X[:, :2]))
    ),
    "a vote of a regressor for a class": lambda: _with(
        VotingClassifier([("a", DecisionTreeClassifier())]),
        TWO,
        estimators_=[_with(DummyRegressor(), classes_=np.arange(2))],
    ),
}


def _columns(chosen: Any = None, output: slice | None = None) -> Pipeline:
    model = make_pipeline(ColumnTransformer([("a", StandardScaler(), [0, 1, 2])]), Ridge())
    model.fit(X, Y)
    if chosen is not None:
        model[0].transformers_[0] = (*model[0].transformers_[0][:2], chosen)
        model[0]._transformer_to_input_indices = {"a": chosen}
    if output is not None:
        model[0].output_indices_["a"] = output
    return model


def _bagged(columns: list[Any]) -> BaggingClassifier:
    model: BaggingClassifier = _with(BaggingClassifier(n_estimators=2), TWO)
    model.estimators_features_ = columns
    return model


def _member(model: Any, classes_: Any) -> Any:
    model.fit(X, TWO)
    model.estimators_[0].classes_ = classes_
    return model


def _two_dimensional(rows: Any = X) -> LinearRegression:
    """A regression that answers an array of one column, as its targets were."""
    return LinearRegression().fit(rows, Y[:, None])


def _vote(*members: Any) -> VotingRegressor:
    model: VotingRegressor = _with(VotingRegressor([("a", Ridge())]), estimators_=list(members))
    return model


def _of_two_dimensions(ensemble: Any) -> Any:
    return _with(ensemble, estimators_=[_two_dimensional()] * 2)


def _boosted_from(start: Any) -> GradientBoostingRegressor:
    """Boosting that begins with the answers of ``start``, and writes beside them."""
    model: GradientBoostingRegressor = _with(GradientBoostingRegressor(n_estimators=2))
    model.init_ = start
    return model


_WORDS = ["good late", "bad", "good bad fast", "fine"] * 15
_GROUPS = np.column_stack([_draws.integers(0, 4, 60), X[:, 0]])


def _by_sets(change: Callable[[Any], None]) -> HistGradientBoostingRegressor:
    """Boosting that splits by categories."""
    model = HistGradientBoostingRegressor(
        max_iter=3, min_samples_leaf=5, categorical_features=[0]
    ).fit(_GROUPS, np.where(_GROUPS[:, 0] > 1, 5.0, 0.0) + Y)
    change(model)
    return model


def _set_of(model: Any) -> Any:
    """The first tree that splits by categories, and those of its nodes that do."""
    for (tree,) in model._predictors:
        tree.nodes = tree.nodes.copy()
        if (nodes := np.flatnonzero(tree.nodes["is_categorical"])).size:
            return tree, nodes
    raise LookupError


def _set_beyond(model: Any) -> None:
    tree, nodes = _set_of(model)
    tree.nodes["bitset_idx"][nodes] = 10**6


def _set_of_a_number(model: Any) -> None:
    tree, nodes = _set_of(model)
    tree.nodes["feature_idx"][nodes] = 1


def _short_sets(model: Any) -> None:
    tree, _ = _set_of(model)
    tree.raw_left_cat_bitsets = tree.raw_left_cat_bitsets[:, :1].copy()


def _category_beyond(model: Any) -> None:
    model._bin_mapper.bin_thresholds_[0] = np.array([0.0, 1e6])


def _terms(change: Callable[[dict[str, Any]], None]) -> Pipeline:
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(_WORDS, TWO)
    change(model[0].vocabulary_)
    return model


def _spline(**changes: Any) -> Pipeline:
    model = make_pipeline(SplineTransformer(), Ridge()).fit(X, Y)
    vars(model[0].bsplines_[1]).update(changes)
    return model


def _isolation(change: Callable[[Any], None]) -> IsolationForest:
    model = IsolationForest(n_estimators=2).fit(X)
    change(model)
    return model


def _wide_tree(model: Any) -> None:
    model.estimators_[1] = ExtraTreeRegressor().fit(np.hstack([X, X]), Y)


def _imputed(**changes: Any) -> Pipeline:
    model = make_pipeline(IterativeImputer(), Ridge()).fit(np.where(X > 1, np.nan, X), Y)
    first = model[0].imputation_sequence_[0]
    model[0].imputation_sequence_[0] = first._replace(**changes)
    return model


def _calibrated(**changes: Any) -> CalibratedClassifierCV:
    model = CalibratedClassifierCV(GaussianNB(), cv=2).fit(X, THREE)
    vars(model.calibrated_classifiers_[0]).update(changes)
    return model


def _with_curve(**changes: Any) -> IsotonicRegression:
    model = IsotonicRegression().fit(X[:, 0], Y)
    vars(model).update(changes)
    return model


def _category_counts() -> CategoricalNB:
    model = CategoricalNB().fit(_draws.integers(0, 3, (60, 2)), TWO)
    model.feature_log_prob_[0] = model.feature_log_prob_[0][:, :1]
    return model


def _narrowed() -> HistGradientBoostingRegressor:
    """Boosting whose encoder returns fewer columns than the trees read."""
    model = HistGradientBoostingRegressor(max_iter=2, categorical_features=[0]).fit(_GROUPS, Y)
    encoder = model._preprocessor
    encoder.transformers_ = [part for part in encoder.transformers_ if part[0] != "numerical"]
    encoder.output_indices_.pop("numerical")
    return model


def _clusters() -> Pipeline:
    """Clusters of two columns that get three, and do not state how many they take."""
    model = make_pipeline(StandardScaler(), KMeans(2, n_init=1)).fit(X)
    model[1].cluster_centers_ = np.zeros((2, 2))
    del model[1].n_features_in_
    return model


def _kernels(times: int) -> GaussianProcessRegressor:
    """A kernel that is evaluated 2 to the power of ``times`` times."""
    model = GaussianProcessRegressor().fit(X, Y)
    for _ in range(times):
        model.kernel_ = model.kernel_ + model.kernel_
    return model


HOSTILE |= {
    "an encoder of fewer columns than the trees read": _narrowed,
    "clusters of fewer columns than they get": _clusters,
    "a kernel in itself many times": lambda: _kernels(19),
    "boosting by a set of categories that is not there": lambda: _by_sets(_set_beyond),
    "boosting by a set of a number": lambda: _by_sets(_set_of_a_number),
    "boosting by sets that are too short": lambda: _by_sets(_short_sets),
    "boosting by a category beyond its set": lambda: _by_sets(_category_beyond),
    "a neighbor with a label beyond the classes": lambda: _with(
        KNeighborsClassifier(algorithm="brute"), TWO, _y=np.full(60, 10**6)
    ),
    "a neighbor with a negative label": lambda: _with(
        KNeighborsClassifier(algorithm="brute"), TWO, _y=np.full(60, -5)
    ),
    "fewer labels than neighbors": lambda: _with(KNeighborsClassifier(), TWO, _y=np.zeros(3, int)),
    "more neighbors than rows": lambda: _with(KNeighborsRegressor(), n_neighbors=10**9),
    "neighbors by a method of another name": lambda: _with(
        KNeighborsRegressor(), _fit_method="precomputed"
    ),
    "neighbors by arguments of the metric": lambda: _with(
        KNeighborsRegressor(), effective_metric_params_={"func": 1}
    ),
    "neighbors with sparse rows": lambda: _with(KNeighborsRegressor(), _fit_X=csr_array(X)),
    "a term beyond the columns": lambda: _terms(lambda terms: terms.update(good=10**6)),
    "a negative term": lambda: _terms(lambda terms: terms.update(good=-7)),
    "two terms of one column": lambda: _terms(lambda terms: terms.update(good=terms["bad"])),
    "a term that is a number": lambda: _terms(lambda terms: terms.update({5: len(terms)})),
    "a spline with fewer coefficients than knots": lambda: _spline(_c=np.eye(2)),
    "a spline of a higher degree than its knots": lambda: _spline(k=50),
    "a spline with descending knots": lambda: _spline(_t=np.arange(11.0)[::-1].copy()),
    "a curve with descending thresholds": lambda: _with(
        VotingRegressor([("a", Ridge())]),
        estimators_=[_with_curve(X_thresholds_=np.array([2.0, 1.0]))],
    ),
    "a curve of other outputs than inputs": lambda: _with_curve(y_thresholds_=np.ones(9)),
    "a tree of more columns than the isolation forest": lambda: _isolation(_wide_tree),
    "an isolation forest without the depths of a tree": lambda: _isolation(
        lambda model: setattr(model, "_decision_path_lengths", model._decision_path_lengths[:1])
    ),
    "an isolation forest of columns that it does not have": lambda: _isolation(
        lambda model: setattr(model, "estimators_features_", [np.array([0, 1, 77])] * 2)
    ),
    "a TargetEncoder with fewer numbers than categories": lambda: _after(
        TargetEncoder(cv=2), LETTERS, encodings_=[np.zeros(1), np.zeros(1)]
    ),
    "an imputer of a column that it does not have": lambda: _imputed(feat_idx=77),
    "an imputer from columns that it does not have": lambda: _imputed(
        neighbor_feat_idx=np.array([0, 77])
    ),
    "an imputer that draws": lambda: _after(IterativeImputer(sample_posterior=True)),
    "a KNNImputer with another mask": lambda: _after(
        KNNImputer(), np.where(X > 1, np.nan, X), _mask_fit_X=np.zeros((1, 3), bool)
    ),
    "a selection by positions": lambda: _after(
        RFE(Ridge(), n_features_to_select=2), support_=np.array([0, 1, 77])
    ),
    "clusters of half precision": lambda: _with(
        KMeans(2, n_init=1), cluster_centers_=np.zeros((2, 3), np.float16)
    ),
    "one member fewer than classes": lambda: _with(
        OneVsRestClassifier(LogisticRegression()), THREE, estimators_=[LogisticRegression()]
    ),
    "one pair fewer than pairs of classes": lambda: _with(
        OneVsOneClassifier(LogisticRegression()), THREE, estimators_=()
    ),
    "a code fewer than members": lambda: _with(
        OutputCodeClassifier(LogisticRegression()), THREE, code_book_=np.zeros((3, 1))
    ),
    "a calibrator of other classes": lambda: _calibrated(classes=np.arange(77)),
    "calibrators of another method": lambda: _calibrated(method="isotonic"),
    "a calibrated number": lambda: _calibrated(estimator=5),
    "a chain in an order beyond its members": lambda: _with(
        RegressorChain(Ridge()), np.column_stack([Y, Y]), order_=np.array([0, 77])
    ),
    "a chain whose members take too few columns": lambda: _with(
        RegressorChain(Ridge()), np.column_stack([Y, Y]), n_features_in_=2
    ),
    "categories that are counted wrong": _category_counts,
}

_BOTH = ("a OneHotEncoder", "a KBinsDiscretizer")
ATTACKS = [
    Attack(name, format_, lambda c, make=make, format_=format_: written(make(), format_))
    for name, make in HOSTILE.items()
    for format_ in ("joblib", "skops")
    if format_ == "joblib" or name.startswith(_BOTH)
]
