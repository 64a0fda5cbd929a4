"""Predicts with decision trees and forests exactly as scikit-learn does, without it.

The walk itself is compiled (``forest_kernel.c``). Where the project was installed without a C
compiler, ``AVAILABLE`` is False and a `Forest` cannot be made.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.engines.forest_arrays import ForestArrays, Labels, is_forest, take_arrays

try:
    from registry.engines.forest_kernel import PackedTrees
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True

_SHOWN = 5
_WALKED = (np.dtype(np.float64), np.dtype(np.float32))


class RowsRefused(ValueError):
    """Rows with a value that scikit-learn also refuses. ``rows``: their indices."""

    def __init__(self, rows: tuple[int, ...], why: str) -> None:
        shown = ", ".join(map(str, rows[:_SHOWN]))
        more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        super().__init__(f"Row{'s' if len(rows) > 1 else ''} {shown}{more}: {why}.")
        self.rows = rows
        self.why = why

    def behind(self, count: int) -> "RowsRefused":
        """The same with ``count`` rows before these."""
        return RowsRefused(tuple(row + count for row in self.rows), self.why)


class Forest:
    """A tree or a forest, checked and packed. Immutable: safe to use from several threads.

    Predictions equal scikit-learn's (``n_jobs`` 1) to the last bit. Rows are numbers, rows x
    features; like in scikit-learn they are compared as float32.

    Raises ValueError naming the fault where ``arrays`` do not describe trees: wrong dtypes or
    lengths, children or features out of range, nodes without a parent or with two, thresholds or
    values that are not numbers, more than 10,000 levels.

    ``vectors``: batches use AVX2 where the processor has it, for the same predictions in less time.
    """

    __slots__ = ("_trees", "_width", "classes", "n_features", "task")

    def __init__(self, arrays: ForestArrays, *, vectors: bool = True) -> None:
        if not AVAILABLE:
            raise RuntimeError("The kernel of forests was not built at installation.")
        self.task = arrays.task
        self.n_features = arrays.n_features
        self.classes = _checked_classes(arrays)
        self._width = 1 if self.classes is None else len(self.classes)
        self._trees = PackedTrees(
            arrays.node_counts,
            arrays.children_left,
            arrays.children_right,
            arrays.feature,
            arrays.threshold,
            arrays.missing_go_to_left,
            arrays.leaf_values,
            n_features=arrays.n_features,
            averaged=arrays.averaged,
            allows_missing=arrays.allows_missing,
            vectors=vectors,
        )
        if arrays.leaf_values.shape[1] != self._width:
            raise ValueError(
                f"Leaves have {arrays.leaf_values.shape[1]} values: expected {self._width}."
            )

    @property
    def allows_missing(self) -> bool:
        """Whether rows may contain NaN; otherwise they are refused as in scikit-learn."""
        return self._trees.allows_missing

    @property
    def depth(self) -> int:
        """Steps from a root to the deepest leaf of all trees."""
        return self._trees.depth

    @property
    def nbytes(self) -> int:
        """Memory that the packed trees take."""
        return self._trees.nbytes

    def predict(self, rows: NDArray[Any]) -> NDArray[Any]:
        """One prediction for each row: float64 of a regression, else a label of ``classes``.

        Raises RowsRefused for rows that contain an infinity, a value beyond float32, or a NaN where
        none is allowed; ValueError for no rows, a wrong width or what is not a number.
        """
        values = self._evaluate(rows)
        if self.classes is None:
            return values[:, 0]
        labels: NDArray[Any] = self.classes.take(values.argmax(axis=1))
        return labels

    def values(self, rows: NDArray[Any]) -> list[float]:
        """`predict` of a regression as a list, without an intermediate array. Raises as `predict`
        does, and TypeError for a classification."""
        if self.classes is not None:
            raise TypeError("A classification has labels, not values.")
        try:
            values = self._trees.values(rows)
        except ValueError:  # perhaps only of a dtype or layout that has to be converted
            rows = _as_rows(rows)
            values = self._trees.values(rows)
        if values is None:
            raise _refusal(rows, allows_missing=self.allows_missing)
        return values

    def one(self, features: bytes) -> list[float]:
        """The value, or the probability of each class, for one row: ``features`` are the bytes of
        ``n_features`` doubles. Raises RowsRefused as `predict` does."""
        values = self._trees.one(features)
        if values is None:
            row = np.frombuffer(features).reshape(1, -1)
            raise _refusal(row, allows_missing=self.allows_missing)
        return values

    def predict_proba(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """The probability of each class, rows x classes. Raises as `predict` does, and TypeError
        for a regression."""
        if self.classes is None:
            raise TypeError("A regression has no probabilities.")
        return self._evaluate(rows)

    def _evaluate(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        rows = _as_rows(rows)
        values = np.empty((len(rows), self._width))
        if self._trees.evaluate(rows, values) >= 0:
            raise _refusal(rows, allows_missing=self.allows_missing)
        return values


def compile_forest(model: Any) -> Forest | None:
    """A `Forest` of ``model``, a fitted scikit-learn estimator.

    None where ``model`` is neither a tree nor a forest, or the kernel was not built. Raises
    ValueError where it has several outputs, is not fitted or is malformed.
    """
    if not AVAILABLE or not is_forest(model):
        return None
    return Forest(take_arrays(model))


def _checked_classes(arrays: ForestArrays) -> Labels | None:
    classes = arrays.classes
    if (classes is None) != (arrays.task == "regression"):
        raise ValueError(f"A {arrays.task} with{'out' if classes is None else ''} classes.")
    if classes is None:
        return None
    if classes.ndim != 1 or not len(classes):
        raise ValueError(f"The classes have shape {classes.shape}.")
    classes = classes.copy()
    classes.flags.writeable = False
    return classes


def _as_rows(rows: NDArray[Any]) -> NDArray[Any]:
    """``rows`` as the kernel takes them: C-contiguous, aligned float32 or float64."""
    rows = np.asarray(rows)
    if rows.ndim != 2 or not len(rows):
        raise ValueError(
            f"Expected at least one row in two dimensions, not the shape {rows.shape}."
        )
    if rows.dtype not in _WALKED:
        if rows.dtype.kind not in "biuf":
            raise ValueError(f"Expected numbers, not {rows.dtype}.")
        with np.errstate(over="ignore"):  # what overflows becomes infinite and is refused
            rows = rows.astype(np.float32)
    flags = rows.flags
    return rows if flags.c_contiguous and flags.aligned else rows.copy(order="C")


def _refusal(rows: NDArray[Any], *, allows_missing: bool) -> RowsRefused:
    with np.errstate(over="ignore"):
        cast = rows.astype(np.float32)
    infinite = np.isinf(cast).any(axis=1)
    if infinite.any() or allows_missing:
        why = "an infinity, or a value too large for float32"
        return RowsRefused(tuple(np.flatnonzero(infinite).tolist()), why)
    missing = np.isnan(cast).any(axis=1)
    why = "a missing value (NaN), which the model does not accept"
    return RowsRefused(tuple(np.flatnonzero(missing).tolist()), why)
