"""The true values of the rows that a model is measured on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hotswap.evaluation.predicted import Predicted
from hotswap.metrics.names import Task


def target_values(target: Any, rows: int, task: Task, what: str) -> NDArray[Any]:
    """``target``, an array or a Series, in one dimension: numbers of a regression, else labels.

    ``what`` is its name in errors. Raises ValueError.
    """
    array = np.asarray(target)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"{what} has the shape {array.shape}. Expected one value for each row: a model with "
            "several outputs cannot be measured. Upload its file with Registry.upload."
        )
    if len(array) != rows:
        raise ValueError(f"{what} has {len(array)} values for {rows} rows.")
    if rows < 2:
        raise ValueError(f"{what} has {rows} value. Measure the model on at least two rows.")
    missing = sum(item is None or item != item for item in array.tolist())  # noqa: PLR0124 - NaN
    if missing:
        raise ValueError(f"{what} has {missing} missing values. Leave these rows out.")
    if task == "classification":
        return array
    if array.dtype.kind in "mMc":
        raise ValueError(f"{what} has values that are not numbers, but of the type {array.dtype}.")
    try:
        numbers = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} has values that are not numbers: {error}.") from error
    if not np.isfinite(numbers).all():
        raise ValueError(f"{what} has infinite values.")
    return numbers


def check_predictions(made: Predicted) -> None:
    """Raises ValueError unless each row has one prediction, numbers are finite, and true labels are
    of the model's classes or at least of their kind."""
    if np.shape(made.predicted) != made.true.shape:
        raise ValueError(
            f"The model predicts an array of the shape {np.shape(made.predicted)} for "
            f"{len(made.true)} rows. Upload the file of a model with several outputs with "
            "Registry.upload."
        )
    if made.classes is None and not np.isfinite(made.predicted).all():
        count = np.count_nonzero(~np.isfinite(made.predicted))
        raise ValueError(
            f"The model predicts NaN or infinity for {count} of {len(made.true)} rows, which "
            "cannot be measured."
        )
    if made.classes is not None and not set(made.true.tolist()) & set(made.classes.tolist()):
        raise ValueError(
            f"None of the labels in y_test, such as {made.true.tolist()[0]!r}, is one of the "
            f"model's classes, such as {made.classes.tolist()[0]!r}."
        )
