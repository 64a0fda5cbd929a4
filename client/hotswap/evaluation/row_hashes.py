"""Hashes of rows, by which a holdout is compared with the rows that a version was trained on.

A row has the same hash whether it was read from CSV, Parquet or a DataFrame: numbers, integers and
booleans count as doubles, rounded to 24 binary digits unless they are whole, so that single
precision and the last digit of a parser make no difference; dates count as seconds since 1970. The
order of the columns does not matter. docs/decisions/0053-holdouts.md gives the reasons.

The file of a version has a head of 32 bytes: ``MAGIC``, whether the target is part of the hashes (1
or 0), and the hash of the columns' names; then the hash of each row, in ascending order. All
numbers are unsigned, of 64 bits, the lowest byte first.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

MAGIC = b"hotswap rows 1\n\x00"
MAX_ROWS = 2**23
"""Rows that a file describes at most: 64 MiB. Of more rows no file is made."""
_HEAD = 32
MAX_BYTES = _HEAD + 8 * MAX_ROWS
_WORD = np.dtype("<u8")
_ALL = 2**64 - 1
_DROPPED_BITS = 29
"""Of the 53 of a double, so that 24 remain, as in single precision."""
_DEVIATIONS = 3.0

Hashes = NDArray[np.uint64]


def row_hashes(
    columns: Iterable[tuple[str, str, NDArray[Any]]], target: NDArray[Any] | None = None
) -> Hashes:
    """The hash of each row of ``columns``, each a name, a type of a signature, and its values:
    doubles with NaN where one is missing, or texts with NaN; ``target`` are numbers or labels."""
    columns = list(columns)
    rows = len(columns[0][2]) if target is None else len(target)
    total = np.zeros(rows, np.uint64)
    for name, type_, values in columns:
        total += _mixed(_words(values, exact=type_ == "date") ^ np.uint64(_text(name, b"column")))
    if target is not None:
        total += _mixed(_words(target, exact=False) ^ np.uint64(_text("", b"target")))
    return _mixed(total)


def names_hash(names: Iterable[str]) -> int:
    """The hash of the names of columns, in any order."""
    return sum(_text(name, b"column") for name in names) & _ALL


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """The hashes of the rows that a version was trained on, in ascending order, each as often as
    its row; ``names`` is the hash of the columns' names."""

    hashes: Hashes
    names: int
    has_target: bool

    @classmethod
    def of(
        cls, columns: Mapping[str, tuple[str, NDArray[Any]]], target: NDArray[Any] | None
    ) -> Self:
        """From the type and the values of each column."""
        listed = [(name, type_, values) for name, (type_, values) in columns.items()]
        return cls(np.sort(row_hashes(listed, target)), names_hash(columns), target is not None)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Raises ValueError where ``content`` is not such a file."""
        if len(content) <= _HEAD or len(content) % 8 or not content.startswith(MAGIC):
            raise ValueError("is not a file of hashes of rows")
        words = np.frombuffer(content, _WORD).astype(np.uint64)
        flag, names, hashes = int(words[2]), int(words[3]), words[4:]
        if flag not in {0, 1} or (hashes[1:] < hashes[:-1]).any():
            raise ValueError("has an unknown flag, or hashes that are not in ascending order")
        return cls(hashes, names, bool(flag))

    def to_bytes(self) -> bytes | None:
        """The file; None for more than MAX_ROWS rows."""
        if len(self.hashes) > MAX_ROWS:
            return None
        head = np.array([self.has_target, self.names], _WORD)
        return MAGIC + head.tobytes() + self.hashes.astype(_WORD).tobytes()

    def known(self, hashes: Hashes) -> int:
        """How many of ``hashes`` are among those of the training rows."""
        places = np.searchsorted(self.hashes, hashes)
        return int((self.hashes.take(places, mode="clip") == hashes).sum())

    def by_chance(self, rows: int) -> int:
        """The most of ``rows`` other rows of the same population that are expected to equal a
        training row: where rows repeat, a new one does too.

        The share of new rows that were seen before is about that of the training rows that are not
        unique (Good and Turing; Good, Biometrika 40, 1953); three standard deviations are added.
        """
        count = len(self.hashes)
        differ = np.r_[True, self.hashes[1:] != self.hashes[:-1], True]
        unique = int((differ[1:] & differ[:-1]).sum())
        share = (count - unique + 1) / (count + 1)
        deviation = math.sqrt(share * (1 - share) * (1 / rows + 1 / count))
        return min(rows, math.ceil(rows * (share + _DEVIATIONS * deviation)))


def _words(values: NDArray[Any], *, exact: bool) -> Hashes:
    """64 bits for each value; ``exact``: numbers are not rounded."""
    if values.dtype.kind not in "biuf":
        items = values.tolist()
        if any(isinstance(item, str) for item in items):
            return _text_words(items)
    numbers = values.astype(np.float64) + 0.0  # -0.0 becomes 0.0
    numbers[np.isnan(numbers)] = np.nan  # all with the same bits
    words = numbers.view(np.uint64)
    if exact:
        return words
    return np.where(numbers == np.rint(numbers), words, _rounded(words))


def _rounded(words: Hashes) -> Hashes:
    """To 24 binary digits, ties to even."""
    shift, one = np.uint64(_DROPPED_BITS), np.uint64(1)
    half = np.uint64(2 ** (_DROPPED_BITS - 1) - 1)
    return ((words + half + ((words >> shift) & one)) >> shift) << shift


def _text_words(items: list[Any]) -> Hashes:
    missing = int(np.array([np.nan]).view(np.uint64)[0])
    known = {item: _text(str(item), b"value") for item in set(items)
             if item is not None and item == item}  # fmt: skip  # noqa: PLR0124 - NaN
    return np.fromiter((known.get(item, missing) for item in items), np.uint64, len(items))


def _text(text: str, purpose: bytes) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, person=purpose)
    return int.from_bytes(digest.digest(), "little")


def _mixed(words: Hashes) -> Hashes:
    """Every bit of the result depends on every bit: the finalizer of SplitMix64 (Steele, Lea and
    Flood, Fast splittable pseudorandom number generators, 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
