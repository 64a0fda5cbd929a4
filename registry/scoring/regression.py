"""The metrics of a regression, for many weightings of the same rows at once.

With every row counted once they are scikit-learn's own, up to the order of the sums; with whole
weights they are those of a sample in which a row stands so often.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from registry.scoring.sums import Weights

_FLAT = 1e-12
"""Below this share of the second moment a variance is what rounding left of none."""


class RegressionMeasures:
    """``true`` and ``predicted`` are finite, one a row."""

    def __init__(self, true: NDArray[np.float64], predicted: NDArray[np.float64]) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            self._errors = np.abs(predicted - true)
            self._squares = self._errors**2
            # Centred, or a small variance would drown in the squares of large values.
            self._centred = true - true.mean()
            self._centred_squares = self._centred**2
        self._by_error = np.argsort(self._errors, kind="stable")

    def figures(self, weights: Weights, names: Collection[str]) -> dict[str, NDArray[np.float64]]:
        """Each of the metrics ``names`` for each draw; what overflows is not finite."""
        rows = weights.sum(axis=1)
        figures = {}
        with np.errstate(over="ignore", invalid="ignore"):
            squares = weights @ self._squares
            figures["mse"] = squares / rows
            figures["rmse"] = np.sqrt(figures["mse"])
            figures["mae"] = weights @ self._errors / rows
            if "r2" in names:
                figures["r2"] = self._r2(weights, squares, rows)
        if "median_absolute_error" in names:
            figures["median_absolute_error"] = self._median(weights, rows)
        return {name: figures[name] for name in names if name in figures}

    def _r2(
        self, weights: Weights, squares: NDArray[np.float64], rows: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The coefficient of determination; for a target that never varies 1 or 0, as
        ``sklearn.metrics.r2_score`` has it."""
        moment = weights @ self._centred_squares
        variation = moment - (weights @ self._centred) ** 2 / rows
        flat = variation <= _FLAT * moment
        explained = 1.0 - squares / np.where(flat, 1.0, variation)
        r2: NDArray[np.float64] = np.where(flat, (squares == 0).astype(np.float64), explained)
        return r2

    def _median(self, weights: Weights, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The middle one of the absolute errors, or the mean of the two in the middle."""
        reached = np.cumsum(weights[:, self._by_error], axis=1)
        ordered = self._errors[self._by_error]
        lower = (reached <= ((rows - 1) // 2)[:, None]).sum(axis=1)
        upper = (reached <= (rows // 2)[:, None]).sum(axis=1)
        median: NDArray[np.float64] = (ordered[lower] + ordered[upper]) / 2
        return median
