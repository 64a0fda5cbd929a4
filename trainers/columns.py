"""Finds the type of each column of the data, and makes the arrays that models are trained on."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from registry.signature import ColumnType
from trainers.dates import are_dates, read_seconds
from trainers.errors import ColumnRefused, listed
from trainers.preparation import DeclaredType

MAX_CATEGORIES = 1_000
# An identifier differs in nearly every row; with fewer rows a real category may as well.
IDENTIFIER_SHARE = 0.9
IDENTIFIER_ROWS = 50


@dataclass(frozen=True, slots=True)
class Values:
    """One column, typed: ``array`` is float64 with NaN where missing, of dates their seconds
    (`registry.dates`), or, for strings, object holding ``str`` and NaN."""

    name: str
    type: ColumnType
    array: NDArray[Any]
    missing: NDArray[np.bool_]

    @property
    def missing_count(self) -> int:
        return int(self.missing.sum())

    @property
    def present(self) -> NDArray[Any]:
        return self.array[~self.missing]

    def of_rows(self, kept: NDArray[np.bool_]) -> "Values":
        return Values(self.name, self.type, self.array[kept], self.missing[kept])


def type_column(name: str, series: "pd.Series[Any]") -> Values:
    """The column as numbers, integers, booleans, strings or dates, whatever dtype pandas gave it.

    Integers and booleans keep their type where some are missing; text that is only true and false
    is boolean. Raises ColumnRefused for values of other types, and for dates that cannot be read.
    """
    if series.dtype == object or isinstance(series.dtype, pd.StringDtype | pd.CategoricalDtype):
        series = series.astype(object).convert_dtypes()
    missing = series.isna().to_numpy(dtype=bool)
    kind = series.dtype
    if pd.api.types.is_bool_dtype(kind):
        return _numeric(name, "boolean", series, missing)
    if pd.api.types.is_integer_dtype(kind):
        return _numeric(name, "integer", series, missing)
    if pd.api.types.is_float_dtype(kind):
        return _numeric(name, "number", series, missing)
    if isinstance(kind, pd.StringDtype):
        return _text(name, series, missing)
    return _other(name, series, missing)


def declared_column(name: str, series: "pd.Series[Any]", declared: DeclaredType | None) -> Values:
    """The column as the type that a recipe declares; None: by its values.

    Raises ColumnRefused where a value is not of that type.
    """
    match declared:
        case None:
            return type_column(name, series)
        case "number" | "integer" | "boolean":
            return _parsed(name, series, declared)
        case "category":
            return _category(name, series)
        case "date":
            return _dates(name, series)
        case "text":
            raise ColumnRefused(
                name,
                "is declared text",
                "Free text cannot be learnt from: declare a category, or drop it.",
            )


def feature_column(
    name: str, series: "pd.Series[Any]", largest: float, declared: DeclaredType | None = None
) -> Values:
    """A column to learn from, typed.

    Raises ColumnRefused where ``declared_column`` does, and for a column without values, with a
    different text in nearly every row, with too many categories, or with a number further from
    zero than ``largest``.
    """
    values = declared_column(name, series, declared)
    _check_categories(values)
    check_magnitude(values, largest)
    return values


def _check_categories(values: Values) -> None:
    present = values.present
    if len(present) == 0:
        raise ColumnRefused(values.name, "has no value in any row", "Exclude it, or fill it.")
    if values.type != "string":
        return
    distinct = len(set(present))
    if len(present) >= IDENTIFIER_ROWS and distinct >= IDENTIFIER_SHARE * len(present):
        raise ColumnRefused(
            values.name,
            f"is text that differs in nearly every row ({distinct} values in {len(present)} rows), "
            "like an identifier or free text",
            "Exclude it.",
        )
    if distinct > MAX_CATEGORIES:
        raise ColumnRefused(
            values.name,
            f"is text with {distinct} categories; {MAX_CATEGORIES} are allowed",
            "Exclude it, or merge rare categories.",
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


def _numeric(
    name: str, type_: ColumnType, series: "pd.Series[Any]", missing: NDArray[np.bool_]
) -> Values:
    array = series.to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.flatnonzero(np.isinf(array))
    if len(infinite):
        raise ColumnRefused(
            name,
            f"holds infinite values, the first in data row {infinite[0] + 1}",
            "Replace them by numbers, leave the cells empty, or exclude the column.",
        )
    return Values(name, type_, array, missing)


def _text(name: str, series: "pd.Series[Any]", missing: NDArray[np.bool_]) -> Values:
    array = series.to_numpy(dtype=object, na_value=np.nan)
    distinct = set(array[~missing])
    if distinct and {text.strip().lower() for text in distinct} <= {"true", "false"}:
        flags = [np.nan if gone else text.strip().lower() == "true" for text, gone in
                 zip(array, missing, strict=True)]  # fmt: skip
        return Values(name, "boolean", np.array(flags, dtype=np.float64), missing)
    if are_dates(distinct):
        return _dates(name, series)
    return Values(name, "string", array, missing)


def _parsed(
    name: str, series: "pd.Series[Any]", declared: Literal["number", "integer", "boolean"]
) -> Values:
    values = type_column(name, series)
    if declared == values.type or (declared == "number" and values.type == "integer"):
        return Values(name, declared, values.array, values.missing)
    present = values.present
    fits = values.type in {"number", "integer"} and bool(
        (present == np.rint(present)).all()
        if declared == "integer"
        else np.isin(present, (0, 1)).all()
    )
    if not fits:
        raise ColumnRefused(
            name,
            f"is declared as the type {declared} and holds values of the type {values.type}",
            "Correct the values, or declare another type.",
        )
    return Values(name, declared, values.array, values.missing)


def _category(name: str, series: "pd.Series[Any]") -> Values:
    missing = series.isna().to_numpy(dtype=bool)
    texts = series.astype("string").to_numpy(dtype=object, na_value=np.nan)
    return Values(name, "string", texts, missing)


def _dates(name: str, series: "pd.Series[Any]") -> Values:
    seconds = read_seconds(name, series)
    return Values(name, "date", seconds, np.isnan(seconds))


def _other(name: str, series: "pd.Series[Any]", missing: NDArray[np.bool_]) -> Values:
    inferred = pd.api.types.infer_dtype(series, skipna=True)
    present = series[~missing]
    if inferred in {"datetime64", "datetime", "date"}:
        return _dates(name, series)
    if inferred == "decimal":
        return _numeric(name, "number", series.astype("Float64"), missing)
    if inferred == "empty":
        return Values(name, "string", np.full(len(series), np.nan, dtype=object), missing)
    kinds = sorted({type(value).__name__ for value in present})
    raise ColumnRefused(
        name,
        f"holds values of the type {listed(kinds)}",
        "A feature holds numbers, booleans, dates or text: exclude the column or convert it.",
    )
