"""Checks the shapes of the arrays that a fitted estimator predicts from, and its counts.

scikit-learn trusts that they agree. If they do not, NumPy raises an error for some rows only, and
memory is allocated by invalid counts.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from registry.errors import ArtifactRefused
from registry.formats.kept_values import input_estimator
from registry.formats.shape_table import SHAPES
from registry.formats.sparse_rows import is_sparse
from registry.signature import MAX_CLASSES, MAX_OUTPUTS

_SEVERAL = frozenset(
    {
        *("ClassifierChain", "DecisionTreeClassifier", "ExtraTreeClassifier"),
        *("ExtraTreesClassifier", "KNeighborsClassifier", "MultiOutputClassifier"),
        "RandomForestClassifier",
    }
)
"""The classifiers that may have several outputs, each with classes of its own."""
MAX_WIDTH = 2**20
"""Columns that a step inside a model may take or return. A model itself takes fewer."""


def check_shapes(estimator: Any) -> None:
    """Raises ArtifactRefused unless the attributes of ``estimator`` match ``SHAPES``."""
    name, own = type(estimator).__name__, vars(estimator)
    lengths = _lengths(name, own)
    _check_names(estimator)
    if isinstance(own.get("classes_"), list):
        _check_outputs(name, own)
        return
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


def check_category_counts(model: Any) -> None:
    """Raises ArtifactRefused unless a CategoricalNB has a share for each class and category."""
    own = vars(model)
    shares, counts = own.get("feature_log_prob_"), own.get("n_categories_")
    width, classes = own.get("n_features_in_"), own.get("classes_")
    if (
        type(shares) is not list
        or not isinstance(counts, np.ndarray)
        or len(shares) != width
        or not all(is_count(count) for count in counts.tolist())
        or any(
            not isinstance(share, np.ndarray) or share.shape != (len(classes), count)
            for share, count in zip(shares, counts.tolist(), strict=True)
        )
    ):
        raise ArtifactRefused("CategoricalNB does not have a share for each of its categories.")


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
    classes = own.get("classes_")
    if classes is not None and not (isinstance(classes, list) and name in _SEVERAL):
        if not _are_classes(classes):
            raise ArtifactRefused(f"{name} does not have a list of 1 to {MAX_CLASSES} classes.")
        lengths["classes"] = len(classes)
        lengths["scores"] = 1 if len(classes) == 2 else len(classes)
    return lengths


def _are_classes(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 1 and 1 <= len(value) <= MAX_CLASSES


def _check_outputs(name: str, own: Mapping[str, Any]) -> None:
    """Raises ArtifactRefused unless a classifier of several outputs has classes for each."""
    classes, outputs, counts = own["classes_"], own.get("n_outputs_"), own.get("n_classes_")
    if (
        not 1 <= len(classes) <= MAX_OUTPUTS
        or not all(map(_are_classes, classes))
        or (outputs is not None and outputs != len(classes))
        or (counts is not None and np.ravel(counts).tolist() != [len(each) for each in classes])
    ):
        raise ArtifactRefused(
            f"{name} does not have 1 to {MAX_CLASSES} classes for each of 1 to {MAX_OUTPUTS} "
            "outputs."
        )


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
    """The shape of a number, or of an array or matrix of numbers; None for anything else."""
    if isinstance(value, int | float):
        return ()
    if is_sparse(value):
        rows, columns = value.shape
        return rows, columns
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
