"""Predicts with decision trees and forests exactly as scikit-learn does, without it.

The walk itself is compiled (``forest_kernel.c``). Where the project was installed without a C
compiler, ``AVAILABLE`` is False and nothing here can be made.
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
    """Rows with a value that scikit-learn would refuse as well. ``rows`` are their numbers."""

    def __init__(self, rows: tuple[int, ...], why: str) -> None:
        shown = ", ".join(map(str, rows[:_SHOWN]))
        more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        super().__init__(f"Row{'s' if len(rows) > 1 else ''} {shown}{more}: {why}.")
        self.rows = rows
        self.why = why

    def behind(self, count: int) -> "RowsRefused":
        """The same, where ``count`` rows stand before these."""
        return RowsRefused(tuple(row + count for row in self.rows), self.why)


class Forest:
    """A tree or a forest, checked and ready. Immutable: safe to ask from several threads.

    Answers equal scikit-learn's (``n_jobs`` 1) to the last bit, for the same rows. Rows are two
    dimensions, rows x features, of numbers; like scikit-learn they are compared as float32.

    Raises ValueError naming what is wrong where ``arrays`` do not describe trees: the wrong
    dtypes or lengths, children or features out of range, nodes with no or with two parents,
    thresholds or values that are not numbers, more than 10,000 levels.
    """

    __slots__ = ("_trees", "_width", "classes", "n_features", "task")

    def __init__(self, arrays: ForestArrays) -> None:
        if not AVAILABLE:
            raise RuntimeError("The compiled walk of trees was not built at installation.")
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
        )
        if arrays.leaf_values.shape[1] != self._width:
            raise ValueError(
                f"Leaves have {arrays.leaf_values.shape[1]} values, {self._width} are asked."
            )

    @property
    def allows_missing(self) -> bool:
        """Whether rows may hold NaN; without, they are refused as scikit-learn refuses them."""
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
        """One answer for each row: float64 of a regression, a label of ``classes`` otherwise.

        Raises RowsRefused for rows that hold an infinity, a value beyond float32, or a NaN where
        none is allowed; ValueError for no rows, the wrong width or what is no number.
        """
        answers = self._evaluate(rows)
        if self.classes is None:
            return answers[:, 0]
        labels: NDArray[Any] = self.classes.take(answers.argmax(axis=1))
        return labels

    def values(self, rows: NDArray[Any]) -> list[float]:
        """`predict` of a regression as a list, without an array in between. Raises as `predict`
        does, and TypeError of a classification."""
        if self.classes is not None:
            raise TypeError("A classification has labels, not values.")
        try:
            values = self._trees.values(rows)
        except ValueError:  # not as they have to lie in memory, which is soon mended
            rows = _as_rows(rows)
            values = self._trees.values(rows)
        if values is None:
            raise _refusal(rows, allows_missing=self.allows_missing)
        return values

    def one(self, features: bytes) -> list[float]:
        """The value, or the probability of each class, for one row: ``features`` are the bytes of
        ``n_features`` doubles. Raises RowsRefused as `predict` does."""
        answer = self._trees.one(features)
        if answer is None:
            row = np.frombuffer(features).reshape(1, -1)
            raise _refusal(row, allows_missing=self.allows_missing)
        return answer

    def predict_proba(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """The probability of each class, rows x classes. Raises as `predict` does, and TypeError
        of a regression."""
        if self.classes is None:
            raise TypeError("A regression has no probabilities.")
        return self._evaluate(rows)

    def _evaluate(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        rows = _as_rows(rows)
        answers = np.empty((len(rows), self._width))
        if self._trees.evaluate(rows, answers) >= 0:
            raise _refusal(rows, allows_missing=self.allows_missing)
        return answers


def compile_forest(model: Any) -> Forest | None:
    """``model``, a fitted scikit-learn estimator, made ready without it.

    None where ``model`` is neither a tree nor a forest, or the compiled walk was not built. Raises
    ValueError where it is one that cannot be walked: several outputs, not fitted, malformed.
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
    """``rows`` as the walk takes them: C-contiguous, aligned float32 or float64."""
    rows = np.asarray(rows)
    if rows.ndim != 2 or not len(rows):
        raise ValueError(f"At least one row in two dimensions is asked, not {rows.shape}.")
    if rows.dtype not in _WALKED:
        if rows.dtype.kind not in "biuf":
            raise ValueError(f"Numbers are asked, not {rows.dtype}.")
        with np.errstate(over="ignore"):  # what overflows is infinite then, and refused
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
    why = "a missing value (NaN), which the model does not take"
    return RowsRefused(tuple(np.flatnonzero(missing).tolist()), why)
