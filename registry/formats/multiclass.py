"""Checks estimators that combine others into a classifier, or give a row several answers."""

from typing import Any

import numpy as np

from registry.errors import ArtifactRefused
from registry.formats.kept_values import input_estimator
from registry.formats.members import final_step, members_of

_CALIBRATORS = {
    "isotonic": "IsotonicRegression",
    "sigmoid": "_SigmoidCalibration",
    "temperature": "_TemperatureScaling",
}
_CHAIN_METHODS = frozenset({"decision_function", "predict", "predict_log_proba", "predict_proba"})


def check_calibrated(model: Any) -> None:
    """Raises ArtifactRefused unless each member of a CalibratedClassifierCV has its classes, and a
    calibrator for each or for all of them."""
    own = vars(model)
    members, classes = own.get("calibrated_classifiers_"), own.get("classes_")
    if type(members) is not list or not members:
        raise ArtifactRefused("CalibratedClassifierCV is not fitted.")
    for member in members:
        held = vars(member) if type(member).__name__ == "_CalibratedClassifier" else {}
        calibrators = held.get("calibrators")
        if (
            not np.array_equal(held.get("classes", ()), classes)
            or not _are_among(held.get("estimator"), classes)
            or held.get("method") not in _CALIBRATORS
            or type(calibrators) is not list
            or len(calibrators) not in {1, len(classes)}
            or {type(each).__name__ for each in calibrators} != {_CALIBRATORS[held["method"]]}
        ):
            raise ArtifactRefused(
                "CalibratedClassifierCV has a member whose classes or calibrators do not fit."
            )


def check_one_vs_rest(model: Any) -> None:
    """Raises ArtifactRefused unless there is a member of two classes for each class of ``model``.

    Two classes share one member.
    """
    own, members = vars(model), list(members_of(model))
    classes = own.get("classes_")
    labels = vars(own["label_binarizer_"])
    if classes is None or not np.array_equal(labels.get("classes_", ()), classes):
        raise ArtifactRefused("OneVsRestClassifier has a 'label_binarizer_' of other classes.")
    if labels.get("y_type_") not in {"binary", "multiclass"}:
        raise ArtifactRefused(
            "OneVsRestClassifier predicts several labels for a row: fit a MultiOutputClassifier "
            "instead."
        )
    if len(members) != (1 if len(classes) == 2 else len(classes)):
        raise ArtifactRefused(
            f"OneVsRestClassifier has {len(members)} estimators for {len(classes)} classes."
        )
    _check_binary(model, members)


def check_one_vs_one(model: Any) -> None:
    """Raises ArtifactRefused unless there is a member of two classes for each pair of classes."""
    own, members = vars(model), list(members_of(model))
    count = len(own["classes_"])
    if own.get("pairwise_indices_") is not None or len(members) != count * (count - 1) // 2:
        raise ArtifactRefused(
            f"OneVsOneClassifier has {len(members)} estimators for {count} classes."
        )
    _check_binary(model, members)


def check_output_code(model: Any) -> None:
    """Raises ArtifactRefused unless there is a member of two classes for each column of codes."""
    members, codes = list(members_of(model)), vars(model).get("code_book_")
    if not isinstance(codes, np.ndarray) or codes.shape[1:] != (len(members),):
        raise ArtifactRefused("OutputCodeClassifier does not have an estimator for each code.")
    _check_binary(model, members)


def check_constant_member(member: Any) -> None:
    """Raises ArtifactRefused unless a _ConstantPredictor has one number."""
    value = vars(member).get("y_")
    if not isinstance(value, np.ndarray) or value.shape != (1,) or value.dtype.kind not in "iuf":
        raise ArtifactRefused("A member that returns a constant does not have one number.")


def check_several(model: Any) -> None:
    """Raises ArtifactRefused unless each member takes the columns of ``model``: those of a chain
    also the answers of the members before it."""
    name, own = type(model).__name__, vars(model)
    members, width = list(members_of(model)), own.get("n_features_in_")
    chain = name.endswith("Chain")
    for index, member in enumerate(members):
        takes = getattr(input_estimator(member), "n_features_in_", None)
        if takes != (width + index if chain else width):
            raise ArtifactRefused(f"{name} has an estimator of other columns than its {width}.")
    classes = own.get("classes_")
    if classes is not None and (type(classes) is not list or len(classes) != len(members)):
        raise ArtifactRefused(f"{name} does not have classes for each of its estimators.")
    if not chain:
        return
    order = own.get("order_")
    if type(order) is list:
        order = np.array(order)
    if (
        not isinstance(order, np.ndarray)
        or order.dtype.kind != "i"
        or not np.array_equal(np.sort(order), np.arange(len(members)))
        or not set(np.atleast_1d(own.get("chain_method_", "predict")).tolist()) <= _CHAIN_METHODS
    ):
        raise ArtifactRefused(f"{name} has an 'order_' that does not name each estimator once.")


def _check_binary(model: Any, members: list[Any]) -> None:
    for member in members:
        if type(member).__name__ == "_ConstantPredictor":
            continue
        classes = getattr(final_step(member), "classes_", None)
        if classes is None or len(classes) > 2:
            raise ArtifactRefused(
                f"{type(model).__name__} has a {type(member).__name__} that is not a classifier of "
                "two classes."
            )


def _are_among(member: Any, classes: Any) -> bool:
    """Whether ``member`` is a classifier of some of ``classes``."""
    known = getattr(member, "classes_", None)
    return isinstance(known, np.ndarray) and known.ndim == 1 and bool(np.isin(known, classes).all())
