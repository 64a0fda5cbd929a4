"""Columns that grow by some rows at a time, for bodies that are decoded in pieces."""

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.serving.codecs.batch import Batch
from registry.signature import Signature

PIECE_BYTES = 2**15
"""Of a body that is decoded at a time. The interpreter's lock is held for about 0.1 ms, which is
what a prediction of one row may have to wait; smaller pieces take longer in total."""
_KNOWN_TEXTS = 1024
"""So many different texts of a column are kept once, however often they are repeated."""
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
        self._known = [_Texts({null: np.nan}) for _ in signature.inputs]

    def add_numbers(self, position: int, numbers: Sequence[float | None]) -> None:
        """Add numbers to the column at ``position``; None is null."""
        self._numbers[position].frombytes(np.array(numbers, dtype=np.float64).tobytes())

    def add_texts(self, position: int, texts: Sequence[str | None]) -> None:
        """Add texts to the column at ``position``."""
        self._texts[position] += map(self._known[position].__getitem__, texts)

    def to_batch(self) -> Batch | None:
        """What was added, as one batch. To be called once.

        None where there are no rows, columns of different lengths, or numbers that are infinite or
        not whole where they have to be.
        """
        columns: dict[str, NDArray[Any]] = {}
        for position, column in enumerate(self._inputs):
            if column.type == "string":
                texts, self._texts[position] = self._texts[position], []
                columns[column.name] = np.fromiter(texts, dtype=object, count=len(texts))
            else:
                numbers = np.frombuffer(self._numbers[position])
                if not _fits(numbers, whole=column.type == "integer"):
                    return None
                columns[column.name] = numbers
        lengths = set(map(len, columns.values()))
        return Batch(columns, lengths.pop()) if len(lengths) == 1 and 0 not in lengths else None


class _Texts(dict[Any, Any]):
    """Each text as the one that was seen first, so that a column of categories holds few."""

    def __missing__(self, text: str) -> str:
        if len(self) < _KNOWN_TEXTS:
            self[text] = text
        return text


def _fits(numbers: NDArray[np.float64], *, whole: bool) -> bool:
    for start in range(0, len(numbers), _CHECKED_AT_ONCE):
        part = numbers[start : start + _CHECKED_AT_ONCE]
        if np.isinf(part).any():
            return False
        if whole and not ((np.floor(part) == part) | np.isnan(part)).all():
            return False
    return True
