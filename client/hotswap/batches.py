"""Encodes DataFrames, Arrow tables and arrays as bodies of requests, a range of rows at a time.

Neither pandas nor numpy is imported here, and pyarrow only to encode a DataFrame or Arrow table.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"


@runtime_checkable
class DataFrame(Protocol):
    """A DataFrame of pandas, or one with its interface."""

    columns: Any
    iloc: Any

    def __len__(self) -> int: ...


@runtime_checkable
class ArrowTable(Protocol):
    """A table of pyarrow, of Polars, or of another library with the Arrow C stream interface."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


@runtime_checkable
class Array(Protocol):
    """A numpy array, or one with its interface."""

    @property
    def shape(self) -> Any: ...

    def tolist(self) -> Any: ...

    def __getitem__(self, key: Any, /) -> Any: ...


Tabular = DataFrame | ArrowTable | Array


@dataclass(frozen=True, slots=True)
class Batch:
    """``count`` rows; ``encode(start, stop)`` gives a range of them as a body of ``content_type``.

    ``encode`` raises ValueError for values that cannot be sent. ``unwrap``: a single record is sent
    as a list of one.
    """

    count: int
    content_type: str
    encode: Callable[[int, int], bytes]
    unwrap: bool = False

    def reply(self, found: dict[str, Any]) -> dict[str, Any]:
        """The reply ``found`` as the caller expects it, who may have given a single record."""
        if self.unwrap:
            found["prediction"] = found.pop("predictions")[0]
            if "probabilities" in found:
                found["probabilities"] = found["probabilities"][0]
            if "scores" in found:
                found["score"] = found.pop("scores")[0]
        return found


def batch_of_tabular(data: object, *, arrow: bool = True) -> Batch | None:
    """The rows of a DataFrame, an Arrow table or an array; None for data of another type.

    ``arrow``: whether the service reads Arrow; tables are sent as JSON otherwise.

    Raises ValueError for an array that does not have two dimensions, or a duplicate column.
    """
    if isinstance(data, DataFrame):
        return _of_frame(data, arrow=arrow)
    if isinstance(data, ArrowTable):
        table = _unfolded(import_module("pyarrow").table(data))
        return _of_arrow(table) if arrow else _of_columns(table)
    if isinstance(data, Array):
        return _of_array(data)
    return None


def batch_of_rows(rows: Sequence[Any]) -> Batch:
    """The batch for records, or for lists by position."""
    return Batch(
        len(rows), JSON, lambda start, stop: as_json({"instances": list(rows[start:stop])})
    )


def as_json(value: object) -> bytes:
    """``value`` as JSON, dates and times as ISO 8601 text. Raises ValueError for NaN, infinity and
    other types that JSON does not have."""
    try:
        return json.dumps(value, allow_nan=False, default=_date).encode()
    except TypeError as error:
        raise ValueError(f"Values to predict from must be representable as JSON: {error}") from None


def _date(value: Any) -> str | None:
    """A date or time as ISO 8601 text. Raises TypeError for other values."""
    found = _native(value)
    if found is None or isinstance(found, str):
        return found
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _of_frame(frame: DataFrame, *, arrow: bool) -> Batch:
    names = list(frame.columns)
    if not all(isinstance(name, str) for name in names):
        # Columns without names, which are only numbered, are sent by position.
        return _by_position(len(frame), lambda start, stop: frame.iloc[start:stop].values.tolist())
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"The DataFrame has more than one column named {', '.join(map(repr, twice))}."
        )
    if arrow and (table := _arrow_table_of(frame)) is not None:
        return _of_arrow(table)

    def encode(start: int, stop: int) -> bytes:
        part = frame.iloc[start:stop]
        return _by_column({name: part[name].tolist() for name in names})

    return Batch(len(frame), JSON, encode)


def _arrow_table_of(frame: DataFrame) -> Any:
    """``frame`` as an Arrow table; None without pyarrow, or for a column of mixed types."""
    try:
        pyarrow = import_module("pyarrow")
    except ImportError:
        return None
    try:
        return _unfolded(pyarrow.Table.from_pandas(frame, preserve_index=False))
    except (pyarrow.ArrowException, TypeError, OverflowError):
        return None


def _unfolded(table: Any) -> Any:
    """``table`` with categorical columns of non-text values as plain columns."""
    types = sys.modules["pyarrow"].types
    for place, field in enumerate(table.schema):
        if types.is_dictionary(field.type) and not (
            types.is_string(field.type.value_type) or types.is_large_string(field.type.value_type)
        ):
            plain = table.column(place).cast(field.type.value_type)
            table = table.set_column(place, field.name, plain)
    return table


def _of_arrow(table: Any) -> Batch:
    pyarrow = sys.modules["pyarrow"]

    def encode(start: int, stop: int) -> bytes:
        sink = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table.slice(start, stop - start))
        content: bytes = sink.getvalue().to_pybytes()
        return content

    return Batch(table.num_rows, ARROW, encode)


def _of_columns(table: Any) -> Batch:
    def encode(start: int, stop: int) -> bytes:
        return _by_column(table.slice(start, stop - start).to_pydict())

    return Batch(table.num_rows, JSON, encode)


def _by_column(columns: Mapping[str, Iterable[Any]]) -> bytes:
    return as_json({"inputs": {name: list(map(_native, cells)) for name, cells in columns.items()}})


def _of_array(array: Array) -> Batch:
    shape = tuple(array.shape)
    if len(shape) != 2:
        raise ValueError(f"Expected an array with two dimensions; this one has {len(shape)}.")
    return _by_position(int(shape[0]), lambda start, stop: array[start:stop].tolist())


def _by_position(count: int, rows: Callable[[int, int], list[list[Any]]]) -> Batch:
    def encode(start: int, stop: int) -> bytes:
        return as_json({"instances": [list(map(_native, row)) for row in rows(start, stop)]})

    return Batch(count, JSON, encode)


def _native(value: Any) -> Any:
    """A cell as a JSON value: null for NaN and for pandas' markers of missing values."""
    if isinstance(value, str | int | bool | None):
        return value
    if isinstance(value, float):
        return None if value != value else value  # noqa: PLR0124 - NaN, without a library
    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if type(value).__name__ == "datetime64":  # its item() may be a count of nanoseconds
        return None if str(value) == "NaT" else str(value)
    return value.item() if hasattr(value, "item") else value
