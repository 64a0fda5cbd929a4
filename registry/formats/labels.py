"""Checks that a classifier returns labels of its classes, one for each row."""

from typing import Any

import numpy as np

from registry.errors import ArtifactRefused

_LABELLERS = ("_label_binarizer", "_label_encoder", "le_")
"""The attributes that convert an estimator's scores to labels."""
_ONE_LABEL = frozenset({"binary", "multiclass"})
"""The types of targets for which a LabelBinarizer returns one label for each row."""


def check_labels(estimator: Any) -> None:
    """Raises ArtifactRefused unless ``estimator`` converts scores to labels of its own classes."""
    name, own = type(estimator).__name__, vars(estimator)
    for key in _LABELLERS:
        if key not in own:
            continue
        labels = vars(own[key]) if hasattr(own[key], "__dict__") else {}
        known = labels.get("classes_")
        if not isinstance(known, np.ndarray) or not np.array_equal(known, own.get("classes_")):
            raise ArtifactRefused(f"{name} has a '{key}' of other classes than its own.")
        if labels.get("sparse_input_"):
            raise ArtifactRefused(f"{name} has a '{key}' that returns a sparse matrix.")
        if labels.get("y_type_", "binary") not in _ONE_LABEL:
            raise ArtifactRefused(f"{name} has a '{key}' that returns several labels for a row.")


def check_constant(dummy: Any) -> None:
    """Raises ArtifactRefused unless a DummyClassifier returns one of its classes for each row."""
    own = vars(dummy)
    if own.get("sparse_output_"):
        raise ArtifactRefused(
            "DummyClassifier returns a sparse matrix of several labels for a row."
        )
    if own.get("_strategy") != "constant":
        return
    constant = np.ravel(own.get("constant")).tolist()
    if len(constant) != 1 or constant[0] not in own["classes_"].tolist():
        raise ArtifactRefused("DummyClassifier has a 'constant' that is not one of its classes.")
