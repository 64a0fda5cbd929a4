"""Builds columns some rows at a time, for bodies that are decoded in pieces."""

import struct
from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import Batch, dates_to_seconds
from registry.signature import Signature

PIECE_BYTES = 2**15
"""The size of a piece. It is decoded in about 0.1 ms, during which predictions of one row wait for
the interpreter's lock; smaller pieces take longer in total."""
LARGEST_PIECE = 64
"""The size limit, in usual sizes, of a piece that has to grow because it was cut within a text."""
_FIRST_TEXTS = 1024
"""Repeated texts among the first of a column share one string with their later repetitions."""
_BYTES_EACH = 8
_CHECKED_AT_ONCE = 2**16


class ColumnBuilder:
    """Builds a column of doubles or texts for each input of ``signature``, of at most ``rows``
    rows; ``null``: the text that means null.

    The memory for numbers is allocated at once. Growing it would take two to three times the
    memory, depending on the allocator; pages that are never used take none.

    No method releases the interpreter's lock: a thread that does so often and briefly takes it back
    before another thread wakes up, and is never forced to hand it over.
    """

    def __init__(self, signature: Signature, rows: int, null: str | None = None) -> None:
        self._inputs = signature.inputs
        self._most = rows
        self._numbers = np.empty((len(self._inputs), rows))
        self._bytes = self._numbers.data.cast("B")
        self._filled = [0] * len(self._inputs)
        self._texts: list[list[Any]] = [[] for _ in signature.inputs]
        self._null = null
        self._known: list[dict[Any, Any]] = [{} for _ in signature.inputs]

    def add_numbers(self, position: int, numbers: list[float] | list[float | None]) -> None:
        """Add finite numbers to the column at ``position``; None is null.

        Raises ValueError where the column would have more than ``rows`` rows.
        """
        start, size = self._filled[position], len(numbers)
        if start + size > self._most:
            raise ValueError("more rows than the body can hold")
        self._filled[position] += size
        place = (position * self._most + start) * _BYTES_EACH
        try:
            struct.pack_into(f"{size}d", self._bytes, place, *numbers)
        except struct.error:  # None
            struct.pack_into(
                f"{size}d", self._bytes, place, *[nan if n is None else n for n in numbers]
            )

    def add_texts(self, position: int, texts: Sequence[str | None]) -> None:
        """Add texts to the column at ``position``."""
        column, null = self._texts[position], self._null
        if len(column) < _FIRST_TEXTS:
            column += [nan if text == null else text for text in texts] if null in texts else texts
            return
        known = self._known[position]
        if not known:
            known |= zip(column, column, strict=True)
            known[null] = nan
        column += map(known.get, texts, texts)

    def add_dates(self, position: int, texts: Sequence[str | None]) -> None:
        """Add dates to the column at ``position``. Raises ValueError where one is not a date."""
        null = self._null
        known = [None if text == null else text for text in texts] if null in texts else texts
        self.add_numbers(position, dates_to_seconds(known))

    def to_batch(self) -> Batch | None:
        """All rows as one batch. May be called once.

        None where there are no rows, columns of different lengths, or fractions in a column of
        integers.
        """
        columns: dict[str, NDArray[Any]] = {}
        for position, column in enumerate(self._inputs):
            if column.type == "string":
                texts, self._texts[position] = self._texts[position], []
                columns[column.name] = np.fromiter(texts, dtype=object, count=len(texts))
            else:
                numbers = self._numbers[position, : self._filled[position]]
                if column.type == "integer" and not _are_whole(numbers):
                    return None
                columns[column.name] = numbers
        lengths = set(map(len, columns.values()))
        return Batch(columns, lengths.pop()) if len(lengths) == 1 and 0 not in lengths else None


def _are_whole(numbers: NDArray[np.float64]) -> bool:
    for start in range(0, len(numbers), _CHECKED_AT_ONCE):
        part = numbers[start : start + _CHECKED_AT_ONCE]
        if not ((np.floor(part) == part) | np.isnan(part)).all():
            return False
    return True
