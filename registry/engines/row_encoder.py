"""Encodes batches as rows of doubles, with a number for each text that a compiled model knows."""

from collections.abc import Sequence
from math import nan
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import Batch

try:
    from registry.engines import chain_kernel
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True

_UNKNOWN = -1.0
_TEXTS_AT_ONCE = 1024


class _Codes(dict[Any, float]):
    """The number of each known text; of any other text -1, of a null NaN."""

    def __missing__(self, key: object) -> float:
        return _UNKNOWN if isinstance(key, str) else nan


class RowEncoder:
    """Encodes the columns ``names``; ``texts`` has the known texts of each, None for numbers.

    Safe to use from several threads. Raises ValueError where the two have different lengths.
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

    def row(self, batch: Batch) -> tuple[Any, ...]:
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

    def columns(self, batch: Batch, start: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """The rows of the batch from ``start`` to ``stop`` (its end, if None) as columns x rows,
        NaN where a value is missing."""
        stop = batch.rows if stop is None else stop
        columns = np.empty((self._width, stop - start))
        texts = dict(self._texts)
        for position, column in enumerate(self._columns(batch.columns)):
            part = column[start:stop]
            codes = texts.get(position)
            if codes is None:
                columns[position] = part
            else:
                _encode_all(codes, part, columns[position])
        return columns

    def rows(self, batch: Batch) -> NDArray[np.float64]:
        """All rows of the batch as rows x columns, NaN where a value is missing."""
        return np.ascontiguousarray(self.columns(batch).T)


def _encode_all(codes: _Codes, texts: NDArray[Any], into: NDArray[np.float64]) -> None:
    # In parts, so that other threads can run in between.
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        part, coded = texts[start : start + _TEXTS_AT_ONCE], into[start : start + _TEXTS_AT_ONCE]
        if AVAILABLE:
            chain_kernel.encode(np.ascontiguousarray(part, dtype=object), codes, coded)
        else:
            coded[:] = np.fromiter(map(codes.__getitem__, part), np.float64)
