"""Decodes JSON bodies by the fastest decoder that accepts them.

A struct made from the signature decodes and checks a single record in a fraction of the time that a
dict and a check of each cell take. `registry.codecs.compiled_rows` decodes many rows, and
`registry.codecs.json_pieces` those that it does not accept. All of them accept only valid bodies of
the usual forms; `registry.codecs.json_body` decodes others again and names the fault.
"""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from registry.codecs.batch import Batch, dates_to_seconds
from registry.codecs.compiled_rows import CompiledJson
from registry.codecs.json_body import WRAPPERS, decode_json
from registry.codecs.json_decoders import field_name
from registry.codecs.json_pieces import JsonPieces
from registry.codecs.large_bodies import one_large_body_at_a_time
from registry.signature import ColumnType, Signature

_EXACT = 2**53
"""Up to here every integer is a double."""
_TYPES: dict[str, Any] = {
    "number": float,
    "integer": Annotated[int, msgspec.Meta(ge=-_EXACT, le=_EXACT)],
    "boolean": bool,
    "string": str,
    "date": str,
}
_WRAPPERS = frozenset(key.encode() for key in WRAPPERS)
_FIRST_KEY_WITHIN = 64
"""The first key of a body is searched within this number of bytes from its start."""

_Read = Callable[[bytes], Batch | None]
"""None: the body is not accepted."""


class JsonReader:
    """Reads JSON bodies of one signature. Safe to use from several threads."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._read_record = _record_reader(signature)
        self._read_compiled = CompiledJson(signature).read
        self._read_pieces = JsonPieces(signature).read

    def read(self, body: bytes) -> Batch:
        """Raises BodyMalformed where ``body`` is not JSON, InputRefused where it does not fit."""
        start = body[:_FIRST_KEY_WITHIN].split(b'"', 2)
        is_rows = len(start) > 1 and start[1] in _WRAPPERS
        batch = self.read_rows(body) if is_rows else self._read_record(body)
        if batch is not None:
            return batch
        with one_large_body_at_a_time(body):
            return decode_json(body, self._signature)

    def read_rows(self, body: bytes) -> Batch | None:
        """The rows in ``body``; None where it is not valid or has another form."""
        batch = self._read_compiled(body)
        return self._read_pieces(body) if batch is None else batch


def cell_type(type_: ColumnType, *, nullable: bool) -> Any:
    """What msgspec decodes a cell of a single row to."""
    return _TYPES[type_] | None if nullable else _TYPES[type_]


def _record_reader(signature: Signature) -> _Read:
    wrappers = [name for name in WRAPPERS if name not in signature.names]
    try:
        struct = _record_struct(signature, wrappers)
    except ValueError:
        # msgspec has no fields whose names have quotes, backslashes or control characters.
        return lambda _: None
    decode, astuple = msgspec.json.Decoder(struct).decode, msgspec.structs.astuple
    inputs = signature.inputs
    width, absent = len(inputs), (msgspec.UNSET,) * len(wrappers)
    dates = [place for place, column in enumerate(inputs) if column.type == "date"]

    def read(body: bytes) -> Batch | None:
        try:
            if not body.isascii():
                body.decode()  # msgspec does not validate texts that it skips
            cells = astuple(decode(body))
            if dates:
                cells = _with_seconds(cells, dates)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        return Batch(None, 1, True, cells[:width], inputs) if cells[width:] == absent else None

    return read


def _with_seconds(cells: tuple[Any, ...], dates: list[int]) -> tuple[Any, ...]:
    """``cells`` with seconds for the texts at the positions ``dates``. Raises ValueError."""
    decoded = list(cells)
    for place, seconds in zip(dates, dates_to_seconds(cells[at] for at in dates), strict=True):
        decoded[place] = seconds
    return tuple(decoded)


def _record_struct(signature: Signature, wrappers: list[str]) -> Any:
    """A struct of the signature's columns, and of ``wrappers``, to detect whether they are
    present."""
    names = [*signature.names, *wrappers]
    fields: list[Any] = [
        (field_name(index), cell_type(column.type, nullable=column.nullable))
        for index, column in enumerate(signature.inputs)
    ]
    fields += [(f"other{index}", Any, msgspec.UNSET) for index in range(len(wrappers))]
    rename = dict(zip((field[0] for field in fields), names, strict=True))
    # gc=False: it cannot be part of a reference cycle.
    return msgspec.defstruct("Record", fields, rename=rename, gc=False)
