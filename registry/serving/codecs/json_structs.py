"""JSON bodies decoded straight into a signature's own types, which is how nearly all arrive.

A struct made from the signature decodes and checks a row in a fraction of the time that a dict
and a look at each cell take. It knows only good bodies of the usual forms: whatever it does not
take, `registry.serving.codecs.json_body` reads again, and names what is wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Annotated, Any

import msgspec

from registry.serving.codecs.batch import Batch, cells_to_array
from registry.serving.codecs.json_body import WRAPPERS, decode_json
from registry.signature import Signature

_EXACT = 2**53
"""Up to here every integer is a double, too."""
_TYPES: dict[str, Any] = {
    "number": float,
    "integer": Annotated[int, msgspec.Meta(ge=-_EXACT, le=_EXACT)],
    "boolean": bool,
    "string": str,
}
_FIRST_KEY_WITHIN = 64
"""Bytes from the beginning of a body in which its first key is looked for."""


class JsonReader:
    """Reads JSON bodies of one signature. Safe to use from several threads."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        # The others wait until somebody sends a batch.
        self._readers = {_RECORD: _reader(_record_reader, signature)}

    def read(self, body: bytes) -> Batch:
        """Raises BodyMalformed where ``body`` is not JSON, InputRefused where it does not fit."""
        start = body[:_FIRST_KEY_WITHIN].split(b'"', 2)
        form = start[1] if len(start) > 1 and start[1] in _MAKERS else _RECORD
        read = self._readers.get(form)
        if read is None:
            read = self._readers[form] = _reader(_MAKERS[form], self._signature)
        try:
            if not body.isascii():
                body.decode()  # a struct does not look into the texts that it leaves out
            batch = read(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            batch = None
        return decode_json(body, self._signature) if batch is None else batch


_Read = Callable[[bytes], Batch | None]
"""None: the body is not of the form that this one reads."""


def _reader(make: Callable[[Signature], _Read], signature: Signature) -> _Read:
    try:
        return make(signature)
    except ValueError:
        # msgspec has no fields whose names hold quotes, backslashes or control characters.
        return lambda _: None


def _record_reader(signature: Signature) -> _Read:
    fields = _fields(signature)
    wrappers = [name for name in WRAPPERS if name not in signature.names]
    struct = _struct(fields, signature.names, wrappers)
    decode, astuple = msgspec.json.Decoder(struct).decode, msgspec.structs.astuple
    width, absent = len(fields), (msgspec.UNSET,) * len(wrappers)
    inputs = signature.inputs

    def read(body: bytes) -> Batch | None:
        cells = astuple(decode(body))
        if cells[width:] != absent:
            return None
        return Batch(None, 1, True, cells[:width], inputs)

    return read


def _rows_reader(key: str, signature: Signature) -> _Read:
    fields = _fields(signature)
    row = _struct(fields, signature.names)
    decode = _wrapper_decoder(key, list[row])  # type: ignore[valid-type]  # made a line above
    getters = [attrgetter(name) for name, _ in fields]

    def read(body: bytes) -> Batch | None:
        rows = decode(body)
        return _batch(signature, [list(map(get, rows)) for get in getters]) if rows else None

    return read


def _columns_reader(key: str, signature: Signature) -> _Read:
    fields = [(name, list[kind]) for name, kind in _fields(signature)]  # type: ignore[valid-type]  # likewise
    decode = _wrapper_decoder(key, _struct(fields, signature.names))
    astuple = msgspec.structs.astuple

    def read(body: bytes) -> Batch | None:
        columns = decode(body)
        return None if columns is None else _batch(signature, astuple(columns))

    return read


_MAKERS: Mapping[bytes, Callable[[Signature], _Read]] = {
    b"instances": partial(_rows_reader, "instances"),
    b"dataframe_records": partial(_rows_reader, "dataframe_records"),
    b"inputs": partial(_columns_reader, "inputs"),
}
"""What reads a body by its first key; every other one begins a record."""
_RECORD = b""


def _wrapper_decoder(key: str, content: Any) -> Callable[[bytes], Any]:
    """Decodes what a body holds under ``key``; None where there are rows under another key, too."""
    others = [name for name in WRAPPERS if name != key]
    struct = _struct([("content", content)], [key], others)
    decode, astuple = msgspec.json.Decoder(struct).decode, msgspec.structs.astuple
    absent = (msgspec.UNSET,) * len(others)

    def read(body: bytes) -> Any:
        found, *rest = astuple(decode(body))
        return found if tuple(rest) == absent else None

    return read


def _struct(
    fields: Sequence[tuple[str, Any]], keys: Sequence[str], others: Sequence[str] = ()
) -> Any:
    """A struct whose ``fields`` stand under ``keys`` in JSON; ``others`` are looked out for."""
    spare: list[tuple[str, Any, Any]] = [
        (f"other{index}", Any, msgspec.UNSET) for index in range(len(others))
    ]
    names = [name for name, _ in fields] + [name for name, _, _ in spare]
    return msgspec.defstruct(
        "Body",
        [*fields, *spare],
        rename=dict(zip(names, [*keys, *others], strict=True)),
        gc=False,  # it holds nothing that could lead back to it
    )


def _fields(signature: Signature) -> list[tuple[str, Any]]:
    """For each column a name that a struct may use, and its type."""
    return [
        (f"column{index}", _TYPES[column.type] | None if column.nullable else _TYPES[column.type])
        for index, column in enumerate(signature.inputs)
    ]


def _batch(signature: Signature, columns: Sequence[list[Any]]) -> Batch | None:
    """The batch of checked cells, a list for each column; None where they are not equally long."""
    rows = len(columns[0])
    if not rows or any(len(cells) != rows for cells in columns):
        return None
    arrays = zip(signature.inputs, map(cells_to_array, signature.inputs, columns), strict=True)
    return Batch({column.name: array for column, array in arrays}, rows)
