"""Reads a column of texts: which are missing, and whether the others are numbers, dates or text."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hotswap.labels import listed
from registry.signature import ColumnType
from trainers.cells import CellRules, Texts, guessed_numbers, oddities_of
from trainers.dates import are_dates, check_years, read_seconds
from trainers.errors import ColumnRefused
from trainers.values import Values

_TRUTH = {
    **dict.fromkeys(("true", "yes", "y", "t", "on", "1"), 1.0),
    **dict.fromkeys(("false", "no", "n", "f", "off", "0"), 0.0),
}
EXACT_INTEGERS = 2**53
_DIGITS = re.compile(r"\s*[0-9]+\s*")
_PADDED = re.compile(r"\s*0[0-9]")
_MARKERS = {"?", "-", "--", ".", "*", "nil", "missing", "Missing", "NaT"}
"""Texts that often mean a missing value, and may be categories."""
_ENDS_OF_TIME = ("0001-01-01", "9999-12-31")
_COMPARED = 1_000


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column of texts: its different ``texts`` that are not missing, and for each row the place
    of its text in them, -1 where it is missing."""

    name: str
    texts: list[str]
    places: NDArray[np.intp]
    oddities: tuple[str, ...]

    @classmethod
    def of(cls, name: str, series: "pd.Series[Any]", rules: CellRules) -> "TextColumn":
        """Raises ColumnRefused where a value is not plain."""
        codes, distinct = pd.factorize(series.astype(object))
        texts = [_as_text(name, value) for value in distinct]
        counts = np.bincount(codes[codes >= 0], minlength=len(texts))
        stripped = [text.strip() for text in texts]
        kept = [bool(text) and text not in rules.missing for text in stripped]
        # The last place is that of a missing value, which has the code -1.
        place_of = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
        oddities = [
            f"{count:,} {repr(text) if text else 'blank'} read as missing"
            for text, count, is_kept in zip(stripped, counts, kept, strict=True)
            if not is_kept
        ]
        present = [text for text, is_kept in zip(texts, kept, strict=True) if is_kept]
        return cls(name, present, place_of[codes], tuple(oddities))

    @property
    def counted(self) -> Texts:
        counts = np.bincount(self.places[self.places >= 0], minlength=len(self.texts))
        return Texts(self.name, self.texts, counts)

    def typed(self, type_: ColumnType, each: Any, dtype: type, *oddities: str) -> Values:
        """``each``: the value of each of the texts."""
        array = np.append(np.array(each, dtype=dtype), np.array([np.nan], dtype=dtype))[self.places]
        return Values(self.name, type_, array, self.places < 0, (*self.oddities, *oddities))

    def as_dates(self) -> Values:
        seconds = read_seconds(self.name, pd.Series(self.texts, dtype="string"))
        ends = [text for text in self.texts if text.strip().startswith(_ENDS_OF_TIME)]
        odd = [f"is {listed(ends)} missing? It is read as a date"] if ends else []
        return self.typed("date", seconds, float, *odd)

    def as_text(self, *oddities: str) -> Values:
        return self.typed("string", self.texts, object, *oddities)


def guessed_text(cells: TextColumn, rules: CellRules) -> Values:
    """The column as booleans, numbers, dates or, if its texts are none of these, strings.

    Raises ColumnRefused for texts that are mostly numbers, and for dates that cannot be read.
    """
    texts = set(cells.texts)
    if texts and {text.strip().lower() for text in texts} <= {"true", "false"}:
        return cells.typed("boolean", [_TRUTH[text.strip().lower()] for text in cells.texts], float)
    numbers = guessed_numbers(cells.counted, rules) if texts else None
    if numbers is not None:
        type_: ColumnType = "integer" if numbers.is_whole else "number"
        rounded = rounding(numbers.values) if numbers.is_whole else []
        return cells.typed(type_, numbers.values, float, *oddities_of(numbers), *rounded)
    if are_dates(texts):
        return cells.as_dates()
    check_years(cells.name, texts)
    return cells.as_text(*_text_oddities(cells.texts))


def truth(texts: list[str]) -> list[float] | None:
    """1 for each of ``texts`` that means true, 0 for false; None where one is neither."""
    words = [text.strip().lower() for text in texts]
    return [_TRUTH[word] for word in words] if words and set(words) <= _TRUTH.keys() else None


def rounding(whole: NDArray[np.float64]) -> list[str]:
    """The oddity of whole numbers that floats cannot hold, where there are some."""
    return ["beyond 2^53: rounded"] if np.abs(whole).max(initial=0) > EXACT_INTEGERS else []


def wrong_type(name: str, present: Iterable[Any]) -> ColumnRefused:
    kinds = sorted({type(value).__name__ for value in present})
    return ColumnRefused(
        name,
        f"holds values of the type {listed(kinds)}",
        "A feature holds numbers, booleans, dates or text: exclude the column or convert it.",
    )


def _as_text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    if isinstance(value, int | float | Decimal | np.number):
        return str(int(value)) if value == int(value) else str(value)
    raise wrong_type(name, [value])


def _text_oddities(texts: list[str]) -> list[str]:
    """What in categories is likely to be a mistake."""
    found = []
    if any(text != text.strip() for text in texts):
        found.append("spaces at the ends are kept")
    if all(map(_DIGITS.fullmatch, texts)) and any(_PADDED.match(text) for text in texts):
        found.append("leading zeros: read as text")
    folded = Counter(text.strip().casefold() for text in texts[:_COMPARED])
    twice = [text for text, count in folded.items() if count > 1]
    if twice:
        found.append(f"{len(twice)} differ only by case or spaces, such as {twice[0]!r}")
    markers = [text for text in texts if text.strip() in _MARKERS]
    if markers:
        found.append(f"is {listed(markers)} missing? It is read as a category")
    return found
