"""The columns of a DataFrame or an array, with the types of a signature."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hotswap.evaluation.column_ranges import iso_text

_NUMBERS = ("boolean", "integer", "number")
"""Each of these types contains the ones before it."""
_OF_KIND = {"b": "boolean", "i": "integer", "u": "integer", "f": "number"}


@dataclass(frozen=True, slots=True)
class Column:
    """Its values as in `ColumnValues`: float64, of dates the seconds, or ``str`` and NaN.

    ``type`` is empty for values that a request cannot contain, such as lists, and if all are
    missing.
    """

    name: str
    type: str
    array: NDArray[Any]
    missing: NDArray[np.bool_]
    gaps: bool
    """Whether a value is missing, here or in the other table."""


def table_columns(table: Any, what: str, names: Sequence[str] | None = None) -> list[Column]:
    """The columns of ``table``: a DataFrame, or what numpy makes an array with two dimensions of;
    with one dimension, such as texts, it is one column.

    ``names`` are those of an array's columns, by default x0, x1, …; ``what`` is the table's name in
    errors. Raises ValueError.
    """
    if hasattr(table, "to_pandas") and hasattr(table, "columns"):  # Polars
        table = table.to_pandas()
    if hasattr(table, "columns") and hasattr(table, "iloc"):
        return _frame_columns(table, what)
    if hasattr(table, "toarray"):
        raise ValueError(f"{what} is sparse. Give an array or a DataFrame.")
    if isinstance(name := getattr(table, "name", None), str):  # a Series
        names = [name]
    array = np.asarray(table)
    if array.ndim == 1:
        array = array.astype(object if array.dtype.kind in "OU" else array.dtype)[:, None]
    if array.ndim != 2 or not array.size:
        raise ValueError(
            f"{what} has the shape {array.shape}. Expected rows and columns: give a DataFrame or "
            "an array with two dimensions."
        )
    own = [f"x{index}" for index in range(array.shape[1])] if names is None else names
    if len(own) != array.shape[1]:
        raise ValueError(f"{what} has {array.shape[1]} columns; the model takes {len(own)}.")
    return [_typed(name, array[:, index]) for index, name in enumerate(own)]


def common_types(columns: Sequence[Column], others: Sequence[Column]) -> list[Column]:
    """``columns``, each with a type that the values of both tables have, and the gaps of both."""
    return [
        replace(column, type=_common(column, other), gaps=column.gaps or other.gaps)
        for column, other in zip(columns, others, strict=True)
    ]


def check_finite(columns: Sequence[Column], what: str, unused: Collection[str]) -> None:
    """Raise ValueError for infinite numbers in one of ``columns`` that is not ``unused``; ``what``
    is the table's name."""
    for column in columns:
        if column.name in unused or column.array.dtype.kind != "f":
            continue
        infinite = np.flatnonzero(np.isinf(column.array))
        if len(infinite):
            raise ValueError(
                f"{what} has infinite values in the column {column.name!r}, the first in row "
                f"{infinite[0]}, which requests cannot contain. Fit and measure without them."
            )


def record(columns: Sequence[Column], row: int) -> dict[str, Any]:
    """One row by column name, with plain values, None where one is missing."""
    return {column.name: _plain(column, row) for column in columns}


def label_type(labels: Sequence[Any]) -> str:
    """The type of a classifier's labels; that of texts if they have several types."""
    types = {_scalar_type(type(label)) for label in labels}
    return types.pop() if len(types) == 1 else "string"


def _frame_columns(frame: Any, what: str) -> list[Column]:
    names = [str(name) for name in frame.columns]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise ValueError(f"{what} has two columns named {twice[0]!r}.")
    if not len(frame) or not names:
        raise ValueError(f"{what} has {len(frame)} rows and {len(names)} columns.")
    return [_typed(name, frame.iloc[:, index]) for index, name in enumerate(names)]


def _typed(name: str, values: Any) -> Column:
    """The column of an array or a Series."""
    if values.dtype.kind == "M":
        seconds = _seconds(np.asarray(values, dtype="datetime64[us]"))
        return _column(name, "date", seconds, np.isnan(seconds))
    if not isinstance(values.dtype, np.dtype):  # pandas' own types
        values = np.asarray(values, dtype=object)
    array = np.asarray(values)
    if array.dtype.kind in "biuf":
        numbers = array.astype(np.float64)
        type_ = "" if np.isinf(numbers).any() else _OF_KIND[array.dtype.kind]
        return _column(name, type_, numbers, np.isnan(numbers))
    if array.dtype.kind == "U":
        array = array.astype(object)
    if array.dtype.kind != "O":
        return _column(name, "", array, np.zeros(len(array), np.bool_))
    items = array.tolist()
    missing = np.fromiter(map(_is_missing, items), np.bool_, len(items))
    type_ = _type_of({type(item) for item, gone in zip(items, missing, strict=True) if not gone})
    if not type_:
        return _column(name, "", array, missing)
    made: NDArray[Any]
    if type_ == "string":
        made = np.where(missing, np.nan, array)
    else:
        made = np.array([math.nan if gone else float(item) for item, gone in
                         zip(items, missing, strict=True)])  # fmt: skip
    return _column(name, type_, made, missing)


def _seconds(moments: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Since 1970 in UTC, as ``registry.dates`` counts them; NaN where a moment is missing."""
    whole, rest = np.divmod(moments.astype(np.int64), 10**6)
    return np.where(np.isnat(moments), np.nan, whole + rest / 1e6)


def _column(name: str, type_: str, array: NDArray[Any], missing: NDArray[np.bool_]) -> Column:
    if missing.all():
        return Column(name, "", np.full(len(missing), np.nan), missing, gaps=True)
    return Column(name, type_, array, missing, bool(missing.any()))


def _type_of(types: set[type]) -> str:
    found = {_scalar_type(kind) for kind in types}
    if found == {"string"}:
        return "string"
    return max(found, key=_NUMBERS.index) if found and found <= set(_NUMBERS) else ""


def _scalar_type(kind: type) -> str:
    if issubclass(kind, bool | np.bool_):
        return "boolean"
    if issubclass(kind, int | np.integer):
        return "integer"
    if issubclass(kind, float | np.floating) or kind.__name__ == "Decimal":
        return "number"
    return "string" if issubclass(kind, str) else "other"


def _common(column: Column, other: Column) -> str:
    types = {one.type for one in (column, other) if not one.missing.all()}
    if len(types) <= 1:
        return next(iter(types), "")
    return max(types, key=_NUMBERS.index) if types <= set(_NUMBERS) else ""


def _is_missing(item: Any) -> bool:
    """None, NaN, and pandas' NA and NaT."""
    return item is None or type(item).__name__ in {"NAType", "NaTType"} or bool(item != item)  # noqa: PLR0124


def _plain(column: Column, row: int) -> Any:
    if column.missing[row]:
        return None
    value = column.array[row]
    if column.type == "string":
        return str(value)
    if column.type == "date":
        return iso_text(value)
    return {"boolean": bool, "integer": int, "number": float}[column.type](value)
