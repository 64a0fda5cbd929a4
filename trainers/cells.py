"""Decides what the texts in a column are: numbers, or text; and which of them are missing values.

A column of which only most cells are numbers is refused, with the cells that are none: learning
from it as text would give a category for each number.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hotswap.labels import listed
from trainers.errors import CellsRefused, OddCells, declaring
from trainers.file_settings import FileSettings
from trainers.number_text import NumberFormat, NumberTexts, numeric_share, read_numbers, unit_of

MISSING = frozenset(
    (
        *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
        *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
"""Those of pandas."""
FORMS = (
    NumberFormat(".", ","),
    NumberFormat(",", "."),
    NumberFormat(".", " "),
    NumberFormat(",", " "),
    NumberFormat(".", "'"),
)
FEW = 20
"""A column with more different texts is not likely to be one of categories, if they are numbers."""
_MOST = 0.5
_ALL_READ = 20_000
_UNIT_SHARE = 0.9
_PADDED = re.compile(r"0[0-9]+")
_PADDED_SHARE = 0.05
_POWER = re.compile(r"[0-9]+[eE][0-9]+")


@dataclass(frozen=True, slots=True)
class CellRules:
    """How the cells of a file are read.

    ``missing`` are the texts that mean a missing value, in addition to empty ones. ``is_typed``:
    the file has types of its own, in which a text that could be a number is a text.
    """

    missing: frozenset[str] = MISSING
    form: NumberFormat = FORMS[0]
    is_typed: bool = False

    @property
    def missing_numbers(self) -> list[float]:
        """Those of ``missing`` that are numbers, such as -999."""
        return [
            number
            for number in read_numbers(sorted(self.missing), self.form).values.tolist()
            if number == number  # noqa: PLR0124 - not NaN
        ]


TYPED = CellRules(is_typed=True)


def missing_texts(settings: FileSettings) -> frozenset[str]:
    """The texts that ``settings`` take for missing values."""
    if settings.na_values is None:
        return MISSING
    named = frozenset(text.strip() for text in settings.na_values)
    return named | MISSING if named else named


@dataclass(frozen=True, slots=True)
class Texts:
    """The different texts of a column, none of them missing, and how often each occurs."""

    column: str
    texts: Sequence[str]
    counts: NDArray[np.int64]

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def rows_of(self, chosen: NDArray[np.bool_]) -> int:
        """How many rows have one of the texts that ``chosen`` marks."""
        return int(self.counts[chosen].sum())

    def examples(self, chosen: NDArray[np.bool_]) -> list[tuple[str, int]]:
        """The texts that ``chosen`` marks with their counts, the most frequent first."""
        found = [(self.texts[place], int(self.counts[place])) for place in np.flatnonzero(chosen)]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def guessed_numbers(column: Texts, rules: CellRules) -> NumberTexts | None:
    """The numbers that the texts are; None where they are text.

    Raises OddCells where most of them are numbers, CellsRefused where they are numbers of several
    kinds.
    """
    texts = column.texts
    if len(texts) > _ALL_READ and numeric_share(texts, FORMS) == 0:
        _check_units(column, rules)
        return None
    read = read_numbers(texts, rules.form)
    if not _are_most(column, read.found):
        _check_other_form(column, rules, read.found)
        _check_units(column, rules)
        return None
    if not read.found.all():
        raise OddCells(column.column, column.rows_of(read.found), column.examples(~read.found))
    if _are_padded(column, read):
        return None
    _check_powers(column)
    if rules.is_typed:
        _check_text_numbers(column)
        return None
    _check_marks(column, read)
    return read


def declared_numbers(column: Texts, rules: CellRules) -> NumberTexts:
    """The numbers that the texts are declared to be. A unit that follows each of them is removed.

    Raises CellsRefused.
    """
    read = read_numbers(column.texts, rules.form)
    if not read.found.all():
        units = unit_of(column.texts, rules.form)
        unit = units.most_common(1)[0][0] if units else ""
        with_unit = read_numbers(column.texts, rules.form, unit) if len(units) == 1 else read
        if not with_unit.found.all():
            _check_other_form(column, rules, read.found)
            raise OddCells(column.column, column.rows_of(read.found), column.examples(~read.found))
        zero_or_unit = ~read.found | (with_unit.values == 0)
        if not zero_or_unit.all():
            raise _mixed(column, {unit: ~read.found, "no unit": read.found})
        return NumberTexts(with_unit.values, (unit,) * len(column.texts), False, with_unit.habits)
    _check_marks(column, read)
    return read


def oddities_of(read: NumberTexts) -> list[str]:
    """What was removed from the texts to make numbers of them."""
    mark = next((mark for mark in read.marks if mark), None)
    removed = "% removed: 5% is 5" if mark == "%" else f"{mark} removed"
    return [*([removed] if mark else []), *read.habits]


def _are_most(column: Texts, found: NDArray[np.bool_]) -> bool:
    if not found.any():
        return False
    # By rows, or by different values: most rows may have the same mark for a missing value.
    by_value = found.mean() >= _MOST and found.sum() >= FEW / 2
    return bool(column.rows_of(found) >= _MOST * column.total or by_value)


def _are_padded(column: Texts, read: NumberTexts) -> bool:
    """Whether zeros at the start show that the texts are codes, such as 01234.

    Raises CellsRefused where only a few have them.
    """
    if not read.is_whole:
        return False
    padded = np.array([_PADDED.fullmatch(text.strip()) is not None for text in column.texts])
    if not padded.any():
        return False
    lengths = {len(text.strip()) for text in column.texts}
    count = column.rows_of(padded)
    if len(lengths) > 1 and count < _PADDED_SHARE * column.total:
        raise CellsRefused(
            column.column,
            f"has {count:,} values of {column.total:,} that begin with a zero, such as "
            f"{column.examples(padded)[0][0]}",
            f"To read numbers: {declaring(column.column, 'integer')}; to keep codes as text: "
            f"{declaring(column.column, 'category')}.",
        )
    return True


def _check_powers(column: Texts) -> None:
    """Refuse texts that are all written as powers of ten, and may be codes such as 12E3."""
    if all(_POWER.fullmatch(text.strip()) for text in column.texts):
        raise CellsRefused(
            column.column,
            f"holds only values such as '{column.texts[0]}', which may be numbers or codes",
            f"To read numbers: {declaring(column.column, 'number')}; to keep codes as text: "
            f"{declaring(column.column, 'category')}.",
        )


def _check_text_numbers(column: Texts) -> None:
    if len(column.texts) > FEW:
        raise CellsRefused(
            column.column,
            f"is text, and all of its {len(column.texts):,} different values are numbers, such as "
            f"'{column.texts[0]}'",
            f"To read them as numbers: {declaring(column.column, 'number')}; to keep them as text: "
            f"{declaring(column.column, 'category')}.",
        )


def _check_marks(column: Texts, read: NumberTexts) -> None:
    """Refuse percent signs or currencies at some of the numbers; zero may have none."""
    marks = {
        mark: np.array([own == mark for own in read.marks]) & (read.values != 0)
        for mark in set(read.marks)
    }
    kinds = {mark or "no sign": rows for mark, rows in marks.items() if rows.any()}
    if len(kinds) > 1:
        raise _mixed(column, kinds)


def _mixed(column: Texts, kinds: dict[str, NDArray[np.bool_]]) -> CellsRefused:
    counts = [
        f"{column.rows_of(rows):,} with {kind}, such as '{column.examples(rows)[0][0]}'"
        for kind, rows in sorted(kinds.items())
    ]
    return CellsRefused(
        column.column,
        f"mixes numbers {' and '.join(counts)}",
        "Write all of them in one unit, exclude the column, or keep it as text: "
        f"{declaring(column.column, 'category')}.",
    )


def _check_other_form(column: Texts, rules: CellRules, own: NDArray[np.bool_]) -> None:
    """Refuse numbers that are written in another way than those of the file; ``own`` marks those
    that are not."""
    if rules.is_typed and len(column.texts) <= FEW:
        return
    for form in FORMS:
        if form == rules.form:
            continue
        found = read_numbers(column.texts, form).found
        if found.sum() > own.sum() and _are_most(column, found):
            changed = [
                f"{key} = {getattr(form, key)!r} (--{key} {getattr(form, key)!r})"
                for key in ("decimal", "thousands")
                if getattr(form, key) != getattr(rules.form, key)
            ]
            raise CellsRefused(
                column.column,
                f"writes numbers in another way than the file, whose decimal sign is "
                f"{rules.form.decimal!r}: '{column.examples(found)[0][0]}'",
                f"If the whole file is written so: {', '.join(changed)}. Else write them alike, "
                f"exclude the column, or keep it as text: {declaring(column.column, 'category')}.",
            )


def _check_units(column: Texts, rules: CellRules) -> None:
    if len(column.texts) <= FEW:
        return
    sample = column.texts[:: max(1, len(column.texts) // _ALL_READ)]
    units = unit_of(sample, rules.form)
    if not units or units.total() < _UNIT_SHARE * len(sample):
        return
    count = units.most_common(1)[0][1]
    if count < _UNIT_SHARE * units.total() and len(units) > 2:
        return  # codes such as 12A and 7F
    raise CellsRefused(
        column.column,
        f"holds numbers with a unit, such as '{column.texts[0]}' "
        f"(units: {listed(name for name, _ in units.most_common())})",
        f"To remove a unit that all rows have: {declaring(column.column, 'number')}; to keep it as "
        f"text: {declaring(column.column, 'category')}; or exclude it.",
    )
