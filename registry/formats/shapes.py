"""Checks the shapes of the arrays that a fitted estimator predicts from, and its counts.

scikit-learn trusts that they agree. If they do not, NumPy raises an error for some rows only, and
memory is allocated by invalid counts. ``SHAPES`` has all of them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from registry.errors import ArtifactRefused
from registry.formats.kept_values import input_estimator
from registry.signature import MAX_CLASSES

MAX_WIDTH = 1_000_000
"""Columns that a step inside a model may take or return. A model itself takes fewer."""

_REGRESSOR = {"coef_": "features outputs=1 | outputs features", "intercept_": "number | outputs"}
_CLASSIFIER = {"coef_": "scores features", "intercept_": "number | scores"}
_RIDGE_CLASSIFIER = {**_CLASSIFIER, "coef_": "scores features | features"}
_BAYES = {"feature_log_prob_": "classes features", "class_log_prior_": "classes"}
_MACHINE = {"class_weight_": "classes"}
_FOREST_CLASSIFIER = {"n_classes_": "= classes", "n_outputs_": "= 1"}

SHAPES: Mapping[str, Mapping[str, str]] = {
    "ARDRegression": _REGRESSOR,
    "AdaBoostClassifier": {"n_classes_": "= classes"},
    "BaggingClassifier": {"n_classes_": "= classes"},
    "BayesianRidge": _REGRESSOR,
    "BernoulliNB": _BAYES,
    "ComplementNB": {**_BAYES, "feature_all_": "features"},
    "DateEncoder": {"data_min_": "features", "data_max_": "features", "fill_": "features"},
    "DecisionTreeClassifier": _FOREST_CLASSIFIER,
    "DummyClassifier": {
        "class_prior_": "classes",
        "n_classes_": "= classes",
        "n_outputs_": "= 1",
    },
    "DummyRegressor": {"constant_": "1 outputs", "n_outputs_": "= outputs"},
    "ElasticNet": _REGRESSOR,
    "ElasticNetCV": _REGRESSOR,
    "ExtraTreeClassifier": _FOREST_CLASSIFIER,
    "ExtraTreesClassifier": _FOREST_CLASSIFIER,
    "GammaRegressor": _REGRESSOR,
    "GaussianNB": {
        "theta_": "classes features",
        "var_": "classes features",
        "class_prior_": "classes",
    },
    "GradientBoostingClassifier": {
        "n_classes_": "= classes",
        "n_trees_per_iteration_": "= scores",
    },
    "GradientBoostingRegressor": {"n_trees_per_iteration_": "= 1"},
    "HistGradientBoostingClassifier": {
        "n_trees_per_iteration_": "= scores",
        "_baseline_prediction": "1 scores",
    },
    "HistGradientBoostingRegressor": {
        "n_trees_per_iteration_": "= 1",
        "_baseline_prediction": "1 1",
    },
    "HuberRegressor": _REGRESSOR,
    "Lars": _REGRESSOR,
    "Lasso": _REGRESSOR,
    "LassoCV": _REGRESSOR,
    "LassoLars": _REGRESSOR,
    "LinearDiscriminantAnalysis": {
        **_CLASSIFIER,
        "xbar_": "features",
        "scalings_": "features ranks",
    },
    "LinearRegression": _REGRESSOR,
    "LinearSVC": _CLASSIFIER,
    "LinearSVR": _REGRESSOR,
    "LogisticRegression": _CLASSIFIER,
    "LogisticRegressionCV": _CLASSIFIER,
    "MLPClassifier": {"n_outputs_": "= scores"},
    "MaxAbsScaler": {"scale_": "features"},
    "MinMaxScaler": {
        "scale_": "features",
        "min_": "features",
        "data_min_": "features",
        "data_max_": "features",
    },
    "MissingIndicator": {"_n_features": "= features"},
    "MultinomialNB": _BAYES,
    "NuSVC": _MACHINE,
    "PCA": {
        "mean_": "features",
        "components_": "components features",
        "explained_variance_": "components",
        "n_components_": "= components",
    },
    "PoissonRegressor": _REGRESSOR,
    "PowerTransformer": {"lambdas_": "features"},
    "QuadraticDiscriminantAnalysis": {"means_": "classes features", "priors_": "classes"},
    "QuantileRegressor": _REGRESSOR,
    "QuantileTransformer": {
        "references_": "quantiles",
        "quantiles_": "quantiles features",
        "n_quantiles_": "= quantiles",
    },
    "RandomForestClassifier": _FOREST_CLASSIFIER,
    "Ridge": _REGRESSOR,
    "RidgeCV": _REGRESSOR,
    "RidgeClassifier": _RIDGE_CLASSIFIER,
    "RidgeClassifierCV": _RIDGE_CLASSIFIER,
    "RobustScaler": {"center_": "features", "scale_": "features"},
    "SGDClassifier": _CLASSIFIER,
    "SGDRegressor": _REGRESSOR,
    "SVC": _MACHINE,
    "SignedLog": {"data_min_": "features", "data_max_": "features"},
    "SimpleImputer": {"statistics_": "any features"},
    "StandardScaler": {"mean_": "features", "var_": "features", "scale_": "features"},
    "TheilSenRegressor": _REGRESSOR,
    "TruncatedSVD": {"components_": "components features"},
    "TweedieRegressor": _REGRESSOR,
    "VarianceThreshold": {"variances_": "features"},
}
"""For each class its fitted attributes, and what each must be.

An array of numbers is described by its dimensions, separated by blanks, with ``|`` between
alternatives; ``number`` has none; ``any`` in front allows other elements than numbers. With ``=``
in front it is an integer. ``features`` is ``n_features_in_``, ``classes`` the length of
``classes_``, ``scores`` the outputs of a classifier: 1 for two classes, else one for each. Any
other name is bound to a length where it first occurs. An attribute that is missing or None is not
checked: without it the model fails on every row. ``outputs=1`` is not a dimension: it is the value
of ``outputs`` in this alternative.
"""


def check_shapes(estimator: Any) -> None:
    """Raises ArtifactRefused unless the attributes of ``estimator`` match ``SHAPES``."""
    name, own = type(estimator).__name__, vars(estimator)
    lengths = _lengths(name, own)
    _check_names(estimator)
    for key, described in SHAPES.get(name, {}).items():
        value = own.get(key)
        if value is None:
            continue
        found = _fitting(value, described, lengths)
        if found is None:
            raise ArtifactRefused(
                f"{name} has a '{key}' of {_shown_shape(value)}, expected "
                f"{_expected(described, lengths)}."
            )
        lengths = found


def check_layers(network: Any) -> None:
    """Raises ArtifactRefused unless each layer of an MLP takes the output of the previous one."""
    name, own = type(network).__name__, vars(network)
    weights, starts = own.get("coefs_"), own.get("intercepts_")
    width, outputs = own.get("n_features_in_"), own.get("n_outputs_")
    if (
        type(weights) is not list
        or type(starts) is not list
        or not is_count(own.get("n_layers_"))
        or not len(weights) == len(starts) == own["n_layers_"] - 1
    ):
        raise ArtifactRefused(f"{name} has layers that do not match 'n_layers_'.")
    for number, (weight, start) in enumerate(zip(weights, starts, strict=True)):
        shape = _shape(weight) or ()
        if len(shape) != 2 or shape[0] != width or _shape(start) != shape[1:]:
            raise ArtifactRefused(
                f"{name} has a layer {number} that does not fit the previous one."
            )
        width = shape[1]
    if width != outputs:
        raise ArtifactRefused(f"{name} has {width} outputs, but 'n_outputs_' is {outputs}.")


def check_rotations(analysis: Any) -> None:
    """Raises ArtifactRefused unless a quadratic analysis has a rotation for each class."""
    name, own = type(analysis).__name__, vars(analysis)
    rotations, scales = own.get("rotations_"), own.get("scalings_")
    classes, width = own.get("classes_"), own.get("n_features_in_")
    if type(rotations) is not list or type(scales) is not list or classes is None:
        raise ArtifactRefused(f"{name} is not fitted.")
    fits = len(rotations) == len(scales) == len(classes)
    for rotation, scale in zip(rotations, scales, strict=False):
        shape = _shape(rotation) or ()
        fits = fits and len(shape) == 2 and shape[0] == width and _shape(scale) == shape[1:]
    if not fits:
        raise ArtifactRefused(f"{name} has 'rotations_' that do not fit its classes and features.")


def is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _lengths(name: str, own: Mapping[str, Any]) -> dict[str, int]:
    """The lengths of features, classes and scores."""
    lengths = {}
    if (features := own.get("n_features_in_")) is not None:
        if not is_count(features) or not 1 <= features <= MAX_WIDTH:
            raise ArtifactRefused(
                f"{name} states that it takes {str(features)[:30]} features; 1 to {MAX_WIDTH} are "
                "allowed."
            )
        lengths["features"] = int(features)
    if (classes := own.get("classes_")) is not None:
        if (
            not isinstance(classes, np.ndarray)
            or classes.ndim != 1
            or not 1 <= len(classes) <= MAX_CLASSES
        ):
            raise ArtifactRefused(
                f"{name} does not have one list of 1 to {MAX_CLASSES} classes: models with several "
                "outputs are not supported."
            )
        lengths["classes"] = len(classes)
        lengths["scores"] = 1 if len(classes) == 2 else len(classes)
    return lengths


def _check_names(estimator: Any) -> None:
    """Raises ArtifactRefused unless there is a text as a name for each feature.

    A class that stores no number of features has that of its first estimator.
    """
    names = vars(estimator).get("feature_names_in_")
    if names is not None and (
        not isinstance(names, np.ndarray)
        or names.shape != (getattr(input_estimator(estimator), "n_features_in_", None),)
        or not all(isinstance(each, str) for each in names.tolist())
    ):
        raise ArtifactRefused(
            f"{type(estimator).__name__} has 'feature_names_in_' that are not one for each feature."
        )


def _fitting(value: Any, described: str, lengths: Mapping[str, int]) -> dict[str, int] | None:
    """``lengths`` with those that ``value`` adds; None where it does not match ``described``."""
    for alternative in described.split("|"):
        dimensions = _dimensions(alternative)
        shape = _measured(value, alternative)
        if shape is None or len(shape) != len(dimensions):
            continue
        found = {**lengths, **_fixed(alternative)}
        if all(
            length == (int(word) if word.isdecimal() else found.setdefault(word, length))
            for word, length in zip(dimensions, shape, strict=True)
        ):
            return found
    return None


def _dimensions(alternative: str) -> list[str]:
    words = alternative.split()
    return [word for word in words if "=" not in word and word not in {"any", "number"}]


def _fixed(alternative: str) -> dict[str, int]:
    """The lengths that an alternative such as ``features outputs=1`` sets."""
    pairs = [word.split("=") for word in alternative.split() if "=" in word and word != "="]
    return {name: int(length) for name, length in pairs}


def _measured(value: Any, alternative: str) -> tuple[int, ...] | None:
    """The shape of ``value``, or a count as a shape of one length; None where it is neither."""
    words = alternative.split()
    if "=" in words:
        return (int(value),) if is_count(value) else None
    if "any" in words:
        return value.shape if isinstance(value, np.ndarray) else None
    return _shape(value)


def _shape(value: Any) -> tuple[int, ...] | None:
    """The shape of a number or of an array of numbers; None for anything else."""
    if isinstance(value, int | float):
        return ()
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf":
        return value.shape
    return None


def _expected(described: str, lengths: Mapping[str, int]) -> str:
    """``described`` in words: (2 classes, 3 features)."""
    alternatives = [
        ", ".join(f"{lengths[word]} {word}" if word in lengths else word for word in words)
        for words in map(_dimensions, described.split("|"))
    ]
    return " or ".join(f"({words})" for words in alternatives)


def _shown_shape(value: Any) -> str:
    if is_count(value):
        return f"the value {str(value)[:30]}"
    shape = _shape(value)
    return f"type {type(value).__name__}" if shape is None else f"shape {shape}"
