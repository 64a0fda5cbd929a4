"""Checks that a loaded model is safe to predict with, which scikit-learn does not check.

Its compiled code follows the indices in the file and allocates memory by the counts in the file: a
child out of range reads other memory, a cycle never ends. Some parameters make a transformer write
files or call functions.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from registry.errors import ArtifactRefused, shown
from registry.formats import (
    columns,
    curves,
    encoders,
    histograms,
    labels,
    members,
    multiclass,
    neighbors,
    shapes,
    text,
    unsupervised,
)
from registry.formats.allowed import ESTIMATORS, PARTS
from registry.formats.parameters import check_parameters
from registry.formats.places import place_of
from registry.formats.refusing import why_not
from registry.formats.sparse_rows import KEPT, check_sparse_rows, is_sparse
from registry.formats.support_vectors import check_support_vectors
from registry.formats.tree_structure import check_tree
from registry.formats.ufuncs import is_allowed_ufunc

Check = Callable[[Any], None]


def _read_booster(estimator: Any) -> None:
    estimator.read()


CHECKS: Mapping[str, Check] = {
    "BandEncoder": columns.check_band_encoder,
    "CategoricalNB": shapes.check_category_counts,
    "ColumnTransformer": columns.check_column_transformer,
    "CountVectorizer": text.check_vectorizer,
    "DateEncoder": columns.check_date_encoder,
    "DummyClassifier": labels.check_constant,
    "HistGradientBoostingClassifier": histograms.check_histograms,
    "HistGradientBoostingRegressor": histograms.check_histograms,
    "IsotonicRegression": curves.check_isotonic,
    "IterativeImputer": neighbors.check_iterative_imputer,
    "KBinsDiscretizer": encoders.check_bins,
    "KMeans": unsupervised.check_centers,
    "KNNImputer": neighbors.check_neighbor_imputer,
    "KNeighborsClassifier": neighbors.check_neighbors,
    "KNeighborsRegressor": neighbors.check_neighbors,
    "LGBMClassifier": _read_booster,
    "LGBMRegressor": _read_booster,
    "MLPClassifier": shapes.check_layers,
    "MLPRegressor": shapes.check_layers,
    "MiniBatchKMeans": unsupervised.check_centers,
    "MissingIndicator": columns.check_missing_indicator,
    "NuSVC": check_support_vectors,
    "NuSVR": check_support_vectors,
    "OneClassSVM": check_support_vectors,
    "OneHotEncoder": encoders.check_one_hot,
    "OrdinalEncoder": encoders.check_ordinal,
    "PolynomialFeatures": columns.check_polynomials,
    "QuadraticDiscriminantAnalysis": shapes.check_rotations,
    "RFE": columns.check_selection,
    "RFECV": columns.check_selection,
    "RadiusNeighborsRegressor": neighbors.check_neighbors,
    "SVC": check_support_vectors,
    "SVR": check_support_vectors,
    "SequentialFeatureSelector": columns.check_selection,
    "TargetEncoder": encoders.check_target_encoder,
    "TfidfTransformer": text.check_weights_of_terms,
    "TfidfVectorizer": text.check_vectorizer,
    "TextEncoder": encoders.check_text_encoder,
    "XGBClassifier": _read_booster,
    "XGBRFClassifier": _read_booster,
    "XGBRFRegressor": _read_booster,
    "XGBRegressor": _read_booster,
    "_ConstantPredictor": multiclass.check_constant_member,
}
"""The check of an estimator by its class, in addition to shapes and labels."""
MEMBER_CHECKS: Mapping[str, Check] = {
    "AdaBoostClassifier": members.check_weights,
    "AdaBoostRegressor": members.check_weights,
    "BaggingClassifier": members.check_bagging,
    "BaggingRegressor": members.check_bagging,
    "CalibratedClassifierCV": multiclass.check_calibrated,
    "ClassifierChain": multiclass.check_several,
    "DecisionTreeClassifier": members.check_trees,
    "DecisionTreeRegressor": members.check_trees,
    "ExtraTreeClassifier": members.check_trees,
    "ExtraTreeRegressor": members.check_trees,
    "ExtraTreesClassifier": members.check_trees,
    "ExtraTreesRegressor": members.check_trees,
    "GradientBoostingClassifier": members.check_boosting,
    "GradientBoostingRegressor": members.check_boosting,
    "HistGradientBoostingClassifier": histograms.rebuild_encoder,
    "HistGradientBoostingRegressor": histograms.rebuild_encoder,
    "IsolationForest": unsupervised.check_isolation,
    "KNeighborsClassifier": neighbors.build_search_tree,
    "KNeighborsRegressor": neighbors.build_search_tree,
    "MultiOutputClassifier": multiclass.check_several,
    "MultiOutputRegressor": multiclass.check_several,
    "OneVsOneClassifier": multiclass.check_one_vs_one,
    "OneVsRestClassifier": multiclass.check_one_vs_rest,
    "OutputCodeClassifier": multiclass.check_output_code,
    "RadiusNeighborsRegressor": neighbors.build_search_tree,
    "RandomForestClassifier": members.check_trees,
    "RandomForestRegressor": members.check_trees,
    "RegressorChain": multiclass.check_several,
    "SplineTransformer": curves.rebuild_splines,
    "StackingClassifier": members.check_stacking,
    "StackingRegressor": members.check_stacking,
    "TfidfVectorizer": text.check_tfidf,
    "VotingClassifier": members.check_voting,
    "VotingRegressor": members.check_voting,
}
"""The check of an estimator that has others, after these have been checked; and the rebuilding of
what was left out of the file."""

_DRAWS = 624
MAX_OBJECTS = 2_000_000
MAX_DEPTH = 20
_MAX_WAYS = 20
"""Genuine models have few levels, and a voting of forests reaches each tree in two ways."""

_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes})
_HOLDERS = frozenset(
    {dict, list, tuple, set, slice, np.ndarray, np.random.RandomState, np.random.Generator}
)
_OBJECTS = ESTIMATORS | PARTS
_CALLING = frozenset({"FunctionTransformer", "TransformedTargetRegressor"})
"""The estimators that may call a function of NumPy."""


def check_structure(model: Any) -> None:
    """Raises ArtifactRefused naming what is wrong with ``model`` or a part of it."""
    from sklearn.base import BaseEstimator

    # All objects are checked before any method is called: until then the file may have replaced it.
    parts = list(_parts(model))
    if not isinstance(model, BaseEstimator) or not hasattr(model, "predict"):
        raise ArtifactRefused(
            f"The artifact contains a {type(model).__name__}, not a scikit-learn model that "
            "predicts."
        )
    estimators = _innermost_first(model)
    for part in parts:
        _apply(_check_part, part, model)
    for estimator in estimators:
        check = MEMBER_CHECKS.get(type(estimator).__name__)
        if check is not None and _is_fitted(estimator):
            _apply(check, estimator, model)


def _apply(check: Check, part: Any, model: Any) -> None:
    """Raises ArtifactRefused as ``check`` does, and where ``check`` itself fails on ``part``. The
    refusal names the place of ``part`` in ``model``."""
    try:
        check(part)
    except MemoryError:
        raise
    except ArtifactRefused as error:
        raise _placed(error.detail, model, part) from error
    except Exception as error:
        raise _placed(
            f"{type(part).__name__} does not have the attributes that scikit-learn stores: "
            f"{type(error).__name__}: {str(error)[:300]}",
            model,
            part,
        ) from error


def _placed(detail: str, model: Any, part: Any) -> ArtifactRefused:
    place = place_of(model, part)
    return ArtifactRefused(f"{detail.removesuffix('.')}{place}." if place else detail)


def _check_part(part: Any) -> None:
    from sklearn.base import BaseEstimator

    name = type(part).__name__
    if isinstance(part, np.random.RandomState):
        _check_draws(part)
    elif name == "Tree":
        check_tree(part)
    elif isinstance(part, BaseEstimator):
        check_parameters(part)
        check_sparse_rows(part)
        if _is_fitted(part):
            shapes.check_shapes(part)
            labels.check_labels(part)
            if (check := CHECKS.get(name)) is not None:
                check(part)


def is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _parts(model: Any) -> Iterator[Any]:
    """Every object below ``model``, each once. Raises ArtifactRefused at one that is not allowed.

    Calls no method of the objects: the file may have replaced it.
    """
    pending, seen = [model], set()
    while pending:
        part = pending.pop()
        if type(part) in _PLAIN or id(part) in seen:
            continue
        seen.add(id(part))
        if len(seen) > MAX_OBJECTS:
            raise ArtifactRefused(f"The artifact contains more than {MAX_OBJECTS} objects.")
        _check_type(part, model)
        yield part
        pending.extend(_held(part))


def _held(part: Any) -> list[Any]:
    """The objects that ``part`` refers to directly."""
    held: list[Any] = []
    if isinstance(part, dict):
        held += [*part.keys(), *part.values()]
    elif isinstance(part, list | tuple | set):
        held += part
    elif isinstance(part, slice):
        held += (part.start, part.stop, part.step)
    elif isinstance(part, np.ndarray) and part.dtype.hasobject:
        held += part.ravel().tolist()
    if hasattr(part, "__dict__"):
        held += _attributes(part)
    return held


def _innermost_first(model: Any) -> list[Any]:
    """The estimators and kernels of ``model``, each once and after those that it contains.

    Raises ArtifactRefused where estimators are nested too deeply or share too many parts.
    scikit-learn calls an estimator once for each path that leads to it: a few kilobytes of
    estimators that share parts, or contain each other, would take hours.
    """
    from sklearn.base import BaseEstimator
    from sklearn.gaussian_process.kernels import Kernel

    ways: dict[int, int] = {}
    depths: dict[int, int] = {}
    begun: set[int] = set()
    ordered: list[Any] = []
    pending = [model]
    while pending:
        part = pending[-1]
        if type(part) in _PLAIN or id(part) in ways:
            pending.pop()
            continue
        held = [each for each in _held(part) if type(each) not in _PLAIN]
        if id(part) not in begun:
            begun.add(id(part))
            if any(id(each) in begun and id(each) not in ways for each in held):
                raise ArtifactRefused(f"A {type(part).__name__} contains itself.")
            pending += held
            continue
        pending.pop()
        counts = isinstance(part, BaseEstimator | Kernel)
        if counts:
            ordered.append(part)
        ways[id(part)] = counts + sum(ways.get(id(each), 0) for each in held)
        depths[id(part)] = counts + max((depths.get(id(each), 0) for each in held), default=0)
    if depths[id(model)] > MAX_DEPTH:
        raise ArtifactRefused(f"The model nests estimators more than {MAX_DEPTH} levels deep.")
    if ways[id(model)] > _MAX_WAYS * (len(ordered) + _MAX_WAYS):
        raise ArtifactRefused(
            f"Estimators share parts: {ways[id(model)]} paths lead to the model's {len(ordered)}."
        )
    return ordered


def _check_type(part: Any, model: Any) -> None:
    """Raises ArtifactRefused for classes, functions and other objects that are not data."""
    kind = type(part)
    if kind in _HOLDERS or issubclass(kind, np.generic | np.dtype):
        return
    name = f"{kind.__module__}.{kind.__qualname__}"
    if name not in _OBJECTS:
        full = f"{part.__module__}.{part.__qualname__}" if isinstance(part, type) else name
        raise ArtifactRefused(
            f"The model contains {shown(full.rpartition('.')[2])}{place_of(model, part)} as a "
            f"value: {why_not(full)}"
        )


def _attributes(part: Any) -> Iterator[Any]:
    """The values of ``part``'s own attributes, none of which may hide one of its class."""
    kind = type(part)
    for key, value in vars(part).items():
        if type(key) is not str or is_dunder(key):
            raise ArtifactRefused(f"{kind.__name__} has an attribute that is not allowed.")
        for parent in kind.__mro__:
            if key not in vars(parent):
                continue
            ours = vars(parent)[key]
            behaves = callable(ours) or hasattr(type(ours), "__get__")
            if behaves or hasattr(type(ours), "__set__") or not _is_parameter(kind, key):
                raise ArtifactRefused(
                    f"{kind.__name__}.{shown(key)} is replaced by the file: not allowed."
                )
        if not _is_checked_alone(kind.__name__, key, value):
            yield value


def _is_checked_alone(kind: str, key: str, value: Any) -> bool:
    """Whether the value is not data, and is checked, or built again, as this attribute."""
    if key == "dtype":
        return isinstance(value, type) and issubclass(value, np.generic)
    if key in {"func", "inverse_func"}:
        return kind in _CALLING and is_allowed_ufunc(value)
    if is_sparse(value):
        return key in KEPT.get(kind, ())
    return (kind, key) == ("IsotonicRegression", "f_")


def _is_parameter(kind: Any, name: str) -> bool:
    """Whether ``name`` is a parameter of the estimator class ``kind``."""
    return hasattr(kind, "_get_param_names") and name in kind._get_param_names()


def _is_fitted(estimator: Any) -> bool:
    """Whether it has fitted attributes, without which scikit-learn does not predict."""
    return any(key.endswith("_") for key in vars(estimator))


def _check_draws(state: Any) -> None:
    """Raises ArtifactRefused where the position, which numpy does not check, is out of range."""
    inner = state.get_state(legacy=False)
    if inner["bit_generator"] != "MT19937" or not 0 <= inner["state"]["pos"] <= _DRAWS:
        raise ArtifactRefused("The model contains a RandomState whose position is out of range.")
