"""Batches as rows of doubles, each text as the number that a compiled model knows it by."""

from collections.abc import Sequence
from math import nan
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.serving.codecs.batch import Batch

_UNKNOWN = -1.0


class _Codes(dict[Any, float]):
    """The number of each known text; of any other text -1, of a null NaN."""

    def __missing__(self, key: object) -> float:
        return _UNKNOWN if isinstance(key, str) else nan


class RowCoder:
    """Lays out the columns ``names``; ``texts`` has the known texts of each, null for numbers.

    Safe to use from several threads. Raises ValueError where the two do not fit each other.
    """

    def __init__(self, names: tuple[str, ...], texts: Sequence[Sequence[str] | None]) -> None:
        if len(texts) != len(names):
            raise ValueError(f"{len(texts)} lists of texts for {len(names)} columns.")
        self._texts = [
            (position, _Codes((text, float(code)) for code, text in enumerate(known)))
            for position, known in enumerate(texts)
            if known is not None
        ]
        self._width = len(names)
        # itemgetter gives a tuple for two names or more, and a bare value for one.
        self._columns = (
            itemgetter(*names) if len(names) > 1 else lambda columns: (columns[names[0]],)
        )

    def one(self, batch: Batch) -> tuple[Any, ...]:
        """The cells of a batch of one row: numbers, None or NaN where a value is missing."""
        cells = batch.cells
        if not cells:
            cells = tuple([column[0] for column in self._columns(batch.columns)])
        if not self._texts:
            return cells
        coded = list(cells)
        for position, codes in self._texts:
            coded[position] = codes[coded[position]]
        return tuple(coded)

    def many(self, batch: Batch) -> NDArray[np.float64]:
        """The batch as rows x columns, NaN where a value is missing."""
        rows = np.empty((batch.rows, self._width))
        texts = dict(self._texts)
        for position, column in enumerate(self._columns(batch.columns)):
            codes = texts.get(position)
            rows[:, position] = (
                column
                if codes is None
                else np.fromiter(map(codes.__getitem__, column), np.float64, batch.rows)
            )
        return rows
