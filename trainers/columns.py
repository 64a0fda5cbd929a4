"""Finds the type of each column of the data, and makes the arrays that models are trained on."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from registry.signature import ColumnType
from trainers.cells import CellRules, declared_numbers, oddities_of
from trainers.dates import read_seconds
from trainers.errors import ColumnRefused
from trainers.preparation import DeclaredType
from trainers.text_columns import TextColumn, guessed_text, rounding, truth, wrong_type
from trainers.values import Values

MAX_CATEGORIES = 1_000
# An identifier differs in nearly every row; with fewer rows a real category may as well.
IDENTIFIER_SHARE = 0.9
IDENTIFIER_ROWS = 50
WORDS_OF_TEXT = 5


AS_TEXT_FILES = CellRules()
_FITS: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.bool_]]] = {
    "number": lambda present: np.ones(len(present), dtype=bool),
    "integer": lambda present: present == np.rint(present),
    "boolean": lambda present: np.isin(present, (0, 1)),
}


def is_free_text(texts: NDArray[Any]) -> bool:
    """Whether ``texts`` are too many to be categories, and have several words each."""
    distinct = set(texts)
    many = len(distinct) > MAX_CATEGORIES or (
        len(texts) >= IDENTIFIER_ROWS and len(distinct) >= IDENTIFIER_SHARE * len(texts)
    )
    return many and sum(map(_words, distinct)) >= WORDS_OF_TEXT * len(distinct)


def _words(text: str) -> int:
    return len(text.split())


def type_column(name: str, series: "pd.Series[Any]", rules: CellRules = AS_TEXT_FILES) -> Values:
    """The column as numbers, integers, booleans, strings or dates, whatever dtype pandas gave it.

    Integers and booleans keep their type where some are missing; text that is only true and false
    is boolean, and text that is only numbers by ``rules`` is numbers. Raises ColumnRefused for
    dates, for values of other types, and for text that is mostly numbers.
    """
    if series.dtype == object or isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(object).convert_dtypes()
    kind = series.dtype
    if pd.api.types.is_bool_dtype(kind):
        return _numeric(name, "boolean", series, rules)
    if pd.api.types.is_integer_dtype(kind):
        return _numeric(name, "integer", series, rules)
    if pd.api.types.is_float_dtype(kind):
        return _numeric(name, "number", series, rules)
    if isinstance(kind, pd.StringDtype):
        return guessed_text(TextColumn.of(name, series, rules), rules)
    return _other(name, series, rules)


def declared_column(
    name: str,
    series: "pd.Series[Any]",
    declared: DeclaredType | None,
    rules: CellRules = AS_TEXT_FILES,
) -> Values:
    """The column as the type that a recipe declares; None: by its values.

    Raises ColumnRefused where a value is not of that type.
    """
    match declared:
        case None:
            return type_column(name, series, rules)
        case "number" | "integer" | "boolean":
            return _parsed(name, series, declared, rules)
        case "category" | "text":
            return TextColumn.of(name, series, rules).as_text()
        case "date":
            return _dates(name, series, rules)


def feature_column(
    name: str,
    series: "pd.Series[Any]",
    largest: float,
    declared: DeclaredType | None = None,
    rules: CellRules = AS_TEXT_FILES,
) -> Values:
    """A column to learn from, typed.

    Raises ColumnRefused where ``declared_column`` does, and for a column without values, with a
    different text in nearly every row that is not free text, or with a number further from zero
    than ``largest``.
    """
    values = declared_column(name, series, declared, rules)
    _check_texts(values, declared)
    check_magnitude(values, largest)
    return values


def _check_texts(values: Values, declared: DeclaredType | None) -> None:
    present = values.present
    if len(present) == 0:
        raise ColumnRefused(values.name, "has no value in any row", "Exclude it, or fill it.")
    if values.type != "string" or declared == "text" or is_free_text(values.present):
        return
    distinct = len(set(present))
    if len(present) >= IDENTIFIER_ROWS and distinct >= IDENTIFIER_SHARE * len(present):
        raise ColumnRefused(
            values.name,
            f"is text that differs in nearly every row ({distinct} values in {len(present)} rows), "
            "like an identifier",
            "Exclude it; or, to learn from its words, set type = 'text'.",
        )


def check_magnitude(values: Values, limit: float) -> None:
    """Raise ColumnRefused for numbers further from zero than ``limit``."""
    if values.type in {"string", "date"} or len(values.present) == 0:
        return
    largest = float(np.abs(values.present).max())
    if largest > limit:
        raise ColumnRefused(
            values.name,
            f"holds a number of magnitude {largest:g}; at most {limit:.2g} can be computed with",
            "Correct the value, divide the column by a constant, or exclude it.",
        )


def _numeric(name: str, type_: ColumnType, series: "pd.Series[Any]", rules: CellRules) -> Values:
    missing = series.isna().to_numpy(dtype=bool)
    array = series.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    infinite = np.flatnonzero(np.isinf(array))
    if len(infinite):
        raise ColumnRefused(
            name,
            f"holds infinite values, the first in data row {infinite[0] + 1}",
            "Replace them by numbers, leave the cells empty, or exclude the column.",
        )
    oddities = []
    for marker in rules.missing_numbers if type_ != "boolean" else ():
        marked = array == marker
        if marked.any():
            array[marked], missing = np.nan, missing | marked
            oddities.append(f"{int(marked.sum()):,} {marker:g} read as missing")
    if type_ == "integer":
        oddities += rounding(array[~missing])
    return Values(name, type_, array, missing, tuple(oddities))


def _parsed(
    name: str,
    series: "pd.Series[Any]",
    declared: Literal["number", "integer", "boolean"],
    rules: CellRules,
) -> Values:
    if series.dtype == object or isinstance(series.dtype, pd.StringDtype | pd.CategoricalDtype):
        cells = TextColumn.of(name, series, rules)
        flags = truth(cells.texts) if declared == "boolean" else None
        if flags is not None:
            return cells.typed("boolean", flags, float)
        numbers = declared_numbers(cells.counted, rules)
        values = cells.typed("number", numbers.values, float, *oddities_of(numbers))
    else:
        values = type_column(name, series, rules)
    if values.type not in {"number", "integer", "boolean"}:
        raise ColumnRefused(
            name,
            f"is declared as the type {declared} and holds values of the type {values.type}",
            "Correct the values, or declare another type.",
        )
    fits = _FITS[declared](values.present)
    if not fits.all():
        raise ColumnRefused(
            name,
            f"is declared as the type {declared} and holds {values.present[~fits][0]:g}",
            "Correct the values, or declare another type.",
        )
    return replace(values, type=declared)


def _dates(name: str, series: "pd.Series[Any]", rules: CellRules) -> Values:
    if isinstance(series.dtype, pd.StringDtype):
        return TextColumn.of(name, series, rules).as_dates()
    seconds = read_seconds(name, series)
    return Values(name, "date", seconds, np.isnan(seconds))


def _other(name: str, series: "pd.Series[Any]", rules: CellRules) -> Values:
    missing = series.isna().to_numpy(dtype=bool)
    inferred = pd.api.types.infer_dtype(series, skipna=True)
    present = series[~missing]
    if inferred in {"datetime64", "datetime", "date"}:
        return _dates(name, series, rules)
    if inferred == "decimal":
        return _numeric(name, "number", series.astype("Float64"), rules)
    if inferred == "empty":
        return Values(name, "string", np.full(len(series), np.nan, dtype=object), missing)
    raise wrong_type(name, present)
