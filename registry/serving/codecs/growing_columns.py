"""Columns that grow by some rows at a time, for bodies that are decoded in pieces."""

from array import array
from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.serving.codecs.batch import Batch
from registry.signature import Signature

PIECE_BYTES = 2**15
"""Of a body that is decoded at a time. The interpreter's lock is held for about 0.1 ms, which is
what a prediction of one row may have to wait; smaller pieces take longer in total."""
_FIRST_TEXTS = 1024
"""A text that is among so many first ones of its column is kept once, however often it comes."""
_CHECKED_AT_ONCE = 2**16


class GrowingColumns:
    """A column of doubles or texts for each input of ``signature``; ``null`` is the text that
    stands for null.

    Between two additions nothing gives up the interpreter's lock: a thread that does so for a
    moment all the time takes it back before another wakes up, and is never made to hand it over.
    """

    def __init__(self, signature: Signature, null: str | None = None) -> None:
        self._inputs = signature.inputs
        # They grow in place, as numpy's do not.
        self._numbers = [array("d") for _ in signature.inputs]
        self._texts: list[list[Any]] = [[] for _ in signature.inputs]
        self._null = null
        self._known: list[dict[Any, Any]] = [{} for _ in signature.inputs]

    def add_numbers(self, position: int, numbers: list[float] | list[float | None]) -> None:
        """Add finite numbers to the column at ``position``; None is null."""
        try:
            self._numbers[position].fromlist(numbers)  # type: ignore[arg-type]  # None raises
        except TypeError:
            self._numbers[position].frombytes(np.array(numbers, dtype=np.float64).tobytes())

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

    def to_batch(self) -> Batch | None:
        """What was added, as one batch. To be called once.

        None where there are no rows, columns of different lengths, or numbers that are not whole
        where they have to be.
        """
        columns: dict[str, NDArray[Any]] = {}
        for position, column in enumerate(self._inputs):
            if column.type == "string":
                texts, self._texts[position] = self._texts[position], []
                columns[column.name] = np.fromiter(texts, dtype=object, count=len(texts))
            else:
                numbers = np.frombuffer(self._numbers[position])
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
