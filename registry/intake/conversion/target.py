"""The interface of what a fitted model's steps are converted to, and its columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self, TypeVar

from numpy.typing import ArrayLike

from registry.dates import CalendarPart

Norm = Literal["l1", "l2", "max"]
SMALLEST_NORM = 10 * 2.0**-52
"""scikit-learn divides by 1 below this norm, ``10 * numpy.finfo(float).eps`` for float64."""


class NotConvertible(Exception):
    """Why a model has no such form, in words for the uploader."""


class Vocabulary(dict[str, float]):
    """The texts of one column that the model knows, each with its number."""

    def code(self, text: str) -> float:
        """The number of ``text``, a new one on the first call for it."""
        return self.setdefault(text, float(len(self)))


@dataclass(frozen=True, slots=True)
class Table:
    """The value of each number in ``keys``; of NaN ``missing``, and of any other number ``other``.

    The keys are different, finite, and in ascending order.
    """

    keys: Sequence[float]
    values: Sequence[float]
    missing: float
    other: float


class Columns(Protocol):
    """Columns at one point of the conversion.

    ``texts``: the vocabulary of each column, None where it is a number.
    """

    @property
    def texts(self) -> Sequence[Vocabulary | None]: ...

    def choose(self, positions: Sequence[int]) -> Self:
        """The columns at ``positions``, with repetitions."""

    def __len__(self) -> int: ...


C = TypeVar("C", bound=Columns)


class Target(Protocol[C]):
    """Records the operations of preprocessing, all on doubles, in the order of the calls.

    A ``row`` has a number for each column. All operations except ``fill`` and ``concat`` return
    columns of numbers, never of texts.
    """

    def fill(self, block: C, fills: Sequence[float]) -> C:
        """``fills`` in place of NaN."""

    def missing(self, block: C) -> C:
        """1.0 where the value is NaN, else 0.0."""

    def subtract(self, block: C, row: ArrayLike) -> C: ...

    def divide(self, block: C, row: ArrayLike) -> C: ...

    def multiply(self, block: C, row: ArrayLike) -> C: ...

    def plus(self, block: C, row: ArrayLike) -> C: ...

    def clip(self, block: C, low: float, high: float) -> C: ...

    def signed_log(self, block: C) -> C:
        """log(1 + x), and -log(1 - x) for an x below zero."""

    def date_part(self, block: C, part: CalendarPart) -> C:
        """The year, month, weekday or hour of dates in seconds, see ``registry.dates.calendar``."""

    def sine(self, block: C) -> C: ...

    def cosine(self, block: C) -> C: ...

    def equals(self, block: C, codes: Sequence[float]) -> C:
        """1.0 where a value is its column's code, else 0.0; NaN equals NaN here."""

    def between(self, block: C, lows: Sequence[float], highs: Sequence[float]) -> C:
        """1.0 where a value is above its column's low and at most its high, else 0.0."""

    def look_up(self, block: C, tables: Sequence[Table]) -> C:
        """The values of each column in its table."""

    def weigh_terms(self, block: C, terms: Sequence[tuple[str, ArrayLike]]) -> C:
        """For each column of texts its terms, separated by blanks, with their inverse document
        frequencies: the weights of ``registry.terms``.

        Raises NotConvertible.
        """

    def normalize(self, block: C, norm: Norm) -> C:
        """Each row divided by its norm, or by 1 where that is below ``SMALLEST_NORM``.

        Raises NotConvertible.
        """

    def concat(self, blocks: Sequence[C]) -> C:
        """``blocks`` side by side. Raises NotConvertible where no column is left."""

    def foreign(self, step: Any, block: C) -> C:
        """The output of ``step``, which has no converter of ours, for columns of numbers.

        Raises NotConvertible.
        """


def require(condition: object, reason: str) -> None:
    """Raise NotConvertible with ``reason`` unless ``condition`` holds."""
    if not condition:
        raise NotConvertible(reason)
