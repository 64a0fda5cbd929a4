"""DataFrames, Arrow tables and arrays as bodies of the service, a range of rows at a time.

Neither pandas, numpy nor pyarrow is imported here before somebody hands in what they made; pyarrow
then also carries a DataFrame, where it is installed.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"


@runtime_checkable
class DataFrame(Protocol):
    """A table with named columns, as pandas has it."""

    columns: Any
    iloc: Any

    def __len__(self) -> int: ...


@runtime_checkable
class ArrowTable(Protocol):
    """A table of pyarrow's, of Polars', or of any library that shares its memory as Arrow does."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


@runtime_checkable
class Array(Protocol):
    """An array as numpy has it."""

    @property
    def shape(self) -> Any: ...

    def tolist(self) -> Any: ...

    def __getitem__(self, key: Any, /) -> Any: ...


Tabular = DataFrame | ArrowTable | Array


@dataclass(frozen=True, slots=True)
class Batch:
    """``count`` rows; ``encode(start, stop)`` gives some of them as a body of ``content_type``.

    ``encode`` raises ValueError where they hold what cannot be sent. ``unwrap`` where one record
    had to travel as a list of one.
    """

    count: int
    content_type: str
    encode: Callable[[int, int], bytes]
    unwrap: bool = False


def batch_of_table(data: object) -> Batch | None:
    """The rows of a DataFrame, an Arrow table or an array; None where ``data`` is none of them.

    Raises ValueError for an array that has not two dimensions, or a column that is there twice.
    """
    if isinstance(data, DataFrame):
        return _of_frame(data)
    if isinstance(data, ArrowTable):
        return _of_arrow(_unfolded(import_module("pyarrow").table(data)))
    if isinstance(data, Array):
        return _of_array(data)
    return None


def batch_of_rows(rows: Sequence[Any]) -> Batch:
    """Records, or lists by position."""
    return Batch(
        len(rows), JSON, lambda start, stop: as_json({"instances": list(rows[start:stop])})
    )


def as_json(value: object) -> bytes:
    """``value`` as JSON. Raises ValueError where it is NaN, infinite or nothing that JSON knows."""
    try:
        return json.dumps(value, allow_nan=False).encode()
    except TypeError as error:
        raise ValueError(f"The values to predict from must be JSON: {error}") from None


def _of_frame(frame: DataFrame) -> Batch:
    names = list(frame.columns)
    if not all(isinstance(name, str) for name in names):
        # Columns that are only counted have no name that a model could know: they go by position.
        return _by_position(len(frame), lambda start, stop: frame.iloc[start:stop].values.tolist())
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"The table has more than one column named {', '.join(map(repr, twice))}.")
    if (table := _arrow_table_of(frame)) is not None:
        return _of_arrow(table)

    def encode(start: int, stop: int) -> bytes:
        part = frame.iloc[start:stop]
        columns = {name: list(map(_native, part[name].tolist())) for name in names}
        return as_json({"inputs": columns})

    return Batch(len(frame), JSON, encode)


def _arrow_table_of(frame: DataFrame) -> Any:
    """``frame`` as an Arrow table; None without pyarrow, or for cells that Arrow cannot mix."""
    try:
        pyarrow = import_module("pyarrow")
    except ImportError:
        return None
    try:
        return _unfolded(pyarrow.Table.from_pandas(frame, preserve_index=False))
    except (pyarrow.ArrowException, TypeError):
        return None


def _unfolded(table: Any) -> Any:
    """``table`` with categories that are no texts as plain columns, which is what they mean."""
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


def _of_array(array: Array) -> Batch:
    shape = tuple(array.shape)
    if len(shape) != 2:
        raise ValueError(f"An array has rows and columns; this has {len(shape)} dimension(s).")
    return _by_position(int(shape[0]), lambda start, stop: array[start:stop].tolist())


def _by_position(count: int, rows: Callable[[int, int], list[list[Any]]]) -> Batch:
    def encode(start: int, stop: int) -> bytes:
        return as_json({"instances": [list(map(_native, row)) for row in rows(start, stop)]})

    return Batch(count, JSON, encode)


def _native(value: Any) -> Any:
    """What JSON has for a cell: null for NaN and for pandas' own marks of what is missing."""
    if isinstance(value, str | int | bool | None):
        return value
    if isinstance(value, float):
        return None if value != value else value  # noqa: PLR0124 - NaN, without a library
    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    return value.item() if hasattr(value, "item") else value
