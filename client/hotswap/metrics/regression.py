"""The metrics of a regression, for many draws of the same rows at once.

For a draw with every row once they equal scikit-learn's, up to the order of sums; for any other
draw they are those of the sample with each row repeated as often as it was drawn.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from hotswap.metrics.bootstrap import Counts, Figures

_FLAT = 1e-12
"""A variance below this fraction of the second moment is a rounding error of zero."""
_BLOCK = 256
"""Rows that the search for the median skips in one step."""


class RegressionMeasures:
    """``true`` and ``predicted`` (rows) are finite."""

    def __init__(self, true: NDArray[np.float64], predicted: NDArray[np.float64]) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            self._errors = np.abs(predicted - true)
            self._squares = self._errors**2
            # Centred, or rounding of large squares would hide a small variance.
            self._centred = true - true.mean()
            self._centred_squares = self._centred**2
        self._by_error = np.argsort(self._errors, kind="stable")
        self._ordered_errors = self._errors[self._by_error]

    def figures(self, counts: Counts, names: Collection[str]) -> Figures:
        """Each of the metrics ``names`` for each draw; not finite where it overflows."""
        rows = counts.sum(axis=1, dtype=np.int64)
        weights = counts.astype(np.float64)
        figures = {}
        with np.errstate(over="ignore", invalid="ignore"):
            squares = weights @ self._squares
            figures["mse"] = squares / rows
            figures["rmse"] = np.sqrt(figures["mse"])
            figures["mae"] = weights @ self._errors / rows
            if "r2" in names:
                figures["r2"] = self._r2(weights, squares, rows)
        if "median_absolute_error" in names:
            figures["median_absolute_error"] = self._medians(counts, rows)
        return {name: figures[name] for name in names if name in figures}

    def _r2(
        self,
        weights: NDArray[np.float64],
        squares: NDArray[np.float64],
        rows: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """The coefficient of determination; 1 or 0 for a constant target, as in
        ``sklearn.metrics.r2_score``."""
        moment = weights @ self._centred_squares
        variation = moment - (weights @ self._centred) ** 2 / rows
        flat = variation <= _FLAT * moment
        explained = 1.0 - squares / np.where(flat, 1.0, variation)
        r2: NDArray[np.float64] = np.where(flat, (squares == 0).astype(np.float64), explained)
        return r2

    def _medians(self, counts: Counts, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The median of the absolute errors."""
        ordered = counts.take(self._by_error, axis=1)
        starts = np.arange(0, ordered.shape[1], _BLOCK)
        blocks = np.add.reduceat(ordered, starts, axis=1, dtype=np.int64)
        reached = np.cumsum(blocks, axis=1)
        middles = [
            (self._error(drawn, before, (total - 1) // 2), self._error(drawn, before, total // 2))
            for drawn, before, total in zip(ordered, reached, rows.tolist(), strict=True)
        ]
        medians: NDArray[np.float64] = np.mean(middles, axis=1)
        return medians

    def _error(self, drawn: Counts, reached: NDArray[np.int64], place: int) -> np.float64:
        """The error at ``place`` in a draw's sorted errors; ``reached``: the number of rows in the
        blocks up to and including each."""
        block = int(np.searchsorted(reached, place, side="right"))
        before = int(reached[block - 1]) if block else 0
        within = np.cumsum(drawn[block * _BLOCK : (block + 1) * _BLOCK], dtype=np.int64)
        offset = int(np.searchsorted(within, place - before, side="right"))
        error: np.float64 = self._ordered_errors[block * _BLOCK + offset]
        return error
