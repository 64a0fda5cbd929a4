"""The number of rows of each group, for many draws at once."""

import numpy as np
from numpy.typing import NDArray

from hotswap.metrics.bootstrap import Counts


class Grouping:
    """Rows by their code, an integer from 0 to ``size`` - 1."""

    def __init__(self, codes: NDArray[np.intp], size: int) -> None:
        self._order = np.argsort(codes, kind="stable")
        self._present, self._starts = np.unique(codes[self._order], return_index=True)
        self._size = size

    def sums(self, counts: Counts | NDArray[np.int64]) -> NDArray[np.int64]:
        """Draws x ``size``: the rows of each group, counted as often as they were drawn."""
        sums = np.zeros((len(counts), self._size), np.int64)
        if len(self._present):
            ordered = counts.take(self._order, axis=1)
            sums[:, self._present] = np.add.reduceat(ordered, self._starts, axis=1, dtype=np.int64)
        return sums


def ratio(above: NDArray[np.int64], below: NDArray[np.int64]) -> NDArray[np.float64]:
    """``above / below``, and 0 where ``below`` is 0."""
    return np.divide(above, below, out=np.zeros(above.shape), where=below != 0)
