"""Sums over the rows of each group, for many weightings of the rows at once."""

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64]
"""Draws x rows: how often each row counts."""


class Grouping:
    """Adds up the weights of rows with the same code, 0 to ``size`` - 1."""

    def __init__(self, codes: NDArray[np.intp], size: int) -> None:
        self._order = np.argsort(codes, kind="stable")
        self._present, self._starts = np.unique(codes[self._order], return_index=True)
        self._size = size

    def sums(self, weights: Weights) -> Weights:
        """Draws x ``size``."""
        sums = np.zeros((len(weights), self._size))
        if len(self._present):
            found = np.add.reduceat(weights[:, self._order], self._starts, axis=1)
            sums[:, self._present] = found
        return sums


def ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """``above / below``, and 0 where ``below`` is 0."""
    return np.divide(above, below, out=np.zeros_like(above), where=below != 0)
