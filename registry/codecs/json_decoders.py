"""msgspec decoders of rows, columns and cells for a signature.

A row is a struct with a field for each column, which the garbage collector does not track. msgspec
raises ValueError for column names with quotes, backslashes or control characters.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec

from registry.signature import Column, ColumnType, Signature

_TYPES: dict[str, Any] = {
    "number": float,
    "integer": float,
    "boolean": bool,
    "string": str,
    "date": str,
}

Decode = Callable[[bytes], list[Any]]
skip_cells: Decode = msgspec.json.Decoder(list[msgspec.Raw]).decode
"""Only checks that the cells are JSON."""


def record_decoder(signature: Signature) -> Decode:
    """Decodes records. Raises ValueError."""
    row = _struct(signature, [_column_type(column) for column in signature.inputs])
    return msgspec.json.Decoder(list[row]).decode  # type: ignore[valid-type]  # made a line above


def columns_decoder(signature: Signature) -> Callable[[bytes], Any]:
    """Decodes a body of columns to a struct with a list for each column. Raises ValueError."""
    cells: list[Any] = [list[_column_type(column)] for column in signature.inputs]  # type: ignore[misc]  # made at run time
    body: Any = msgspec.defstruct(
        "Body", [("inputs", _struct(signature, cells))], forbid_unknown_fields=True, gc=False
    )
    decode = msgspec.json.Decoder(body).decode
    return lambda content: decode(content).inputs


def _struct(signature: Signature, types: Sequence[Any]) -> Any:
    """A struct with a field of each of ``types`` for the signature's columns."""
    names = [field_name(position) for position in range(len(types))]
    # gc=False: it cannot be part of a reference cycle.
    return msgspec.defstruct(
        "Row",
        list(zip(names, types, strict=True)),
        rename=dict(zip(names, signature.names, strict=True)),
        gc=False,
    )


def list_decoder(signature: Signature, names: tuple[str, ...]) -> Decode:
    """Decodes rows as lists of cells, which are those of the columns ``names`` in this order.

    Raises ValueError where a name appears twice, or a column of the signature is missing.
    """
    known = {column.name: position for position, column in enumerate(signature.inputs)}
    if len(set(names)) < len(names) or not known.keys() <= set(names):
        raise ValueError("the columns named are not those of the signature")
    fields = [
        (field_name(known[name]), _column_type(signature.inputs[known[name]]))
        if name in known
        else (f"other{index}", msgspec.Raw)
        for index, name in enumerate(names)
    ]
    row: Any = msgspec.defstruct(
        "Row", fields, array_like=True, forbid_unknown_fields=True, gc=False
    )
    return msgspec.json.Decoder(list[row]).decode


@cache
def cell_decoder(type_: ColumnType, *, nullable: bool) -> Decode:
    """Decodes the cells of one column."""
    return msgspec.json.Decoder(list[_type(type_, nullable=nullable)]).decode  # type: ignore[misc]  # made at run time


def field_name(position: int) -> str:
    """The name of a struct's field for the signature's column at ``position``."""
    return f"column{position}"


def _type(type_: ColumnType, *, nullable: bool) -> Any:
    return _TYPES[type_] | None if nullable else _TYPES[type_]


def _column_type(column: Column) -> Any:
    return _type(column.type, nullable=column.nullable)
