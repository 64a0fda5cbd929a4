"""JSON bodies decoded straight into a signature's own types, which is how nearly all arrive.

A struct made from the signature decodes and checks a row in a fraction of the time that a dict
and a look at each cell take. It knows only good bodies of the usual forms: whatever it does not
take, `registry.codecs.json_body` reads again, and names what is wrong. Here are single
records; bodies of many rows are read by `registry.codecs.json_pieces`.
"""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from registry.codecs.batch import Batch
from registry.codecs.json_body import WRAPPERS, decode_json
from registry.codecs.json_pieces import JsonPieces
from registry.codecs.large_bodies import one_large_body_at_a_time
from registry.signature import Signature

_EXACT = 2**53
"""Up to here every integer is a double, too."""
_TYPES: dict[str, Any] = {
    "number": float,
    "integer": Annotated[int, msgspec.Meta(ge=-_EXACT, le=_EXACT)],
    "boolean": bool,
    "string": str,
}
_WRAPPERS = frozenset(key.encode() for key in WRAPPERS)
_FIRST_KEY_WITHIN = 64
"""Bytes from the beginning of a body in which its first key is looked for."""

_Read = Callable[[bytes], Batch | None]
"""None: the body is not of the form that this one reads."""


class JsonReader:
    """Reads JSON bodies of one signature. Safe to use from several threads."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._read_record = _record_reader(signature)
        self._read_rows = JsonPieces(signature).read

    def read(self, body: bytes) -> Batch:
        """Raises BodyMalformed where ``body`` is not JSON, InputRefused where it does not fit."""
        start = body[:_FIRST_KEY_WITHIN].split(b'"', 2)
        is_rows = len(start) > 1 and start[1] in _WRAPPERS
        batch = self._read_rows(body) if is_rows else self._read_record(body)
        if batch is not None:
            return batch
        with one_large_body_at_a_time(body):
            return decode_json(body, self._signature)


def _record_reader(signature: Signature) -> _Read:
    wrappers = [name for name in WRAPPERS if name not in signature.names]
    try:
        struct = _record_struct(signature, wrappers)
    except ValueError:
        # msgspec has no fields whose names hold quotes, backslashes or control characters.
        return lambda _: None
    decode, astuple = msgspec.json.Decoder(struct).decode, msgspec.structs.astuple
    inputs = signature.inputs
    width, absent = len(inputs), (msgspec.UNSET,) * len(wrappers)

    def read(body: bytes) -> Batch | None:
        try:
            if not body.isascii():
                body.decode()  # a struct does not look into the texts that it leaves out
            cells = astuple(decode(body))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return Batch(None, 1, True, cells[:width], inputs) if cells[width:] == absent else None

    return read


def _record_struct(signature: Signature, wrappers: list[str]) -> Any:
    """A struct of the signature's columns, and of ``wrappers``, which are only looked out for."""
    names = [*signature.names, *wrappers]
    fields: list[Any] = [
        (f"column{index}", _TYPES[column.type] | None if column.nullable else _TYPES[column.type])
        for index, column in enumerate(signature.inputs)
    ]
    fields += [(f"other{index}", Any, msgspec.UNSET) for index in range(len(wrappers))]
    rename = dict(zip((field[0] for field in fields), names, strict=True))
    # gc=False: it holds nothing that could lead back to it.
    return msgspec.defstruct("Record", fields, rename=rename, gc=False)
