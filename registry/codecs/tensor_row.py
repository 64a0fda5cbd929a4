"""Reads the usual requests of one row: a tensor of one element for each column, in the order of the
signature, or one matrix of numbers; all in JSON or all in binary form.

They are decoded in a fraction of the time that `registry.codecs.tensor_rows` takes, which reads any
other request, and names what is wrong with it.
"""

import struct
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache, lru_cache
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from registry.codecs.batch import Batch, dates_to_seconds
from registry.codecs.json_reader import cell_type
from registry.codecs.tensor_request import RequestHead, TensorRequest, request_of
from registry.codecs.tensor_rows import DATATYPES, cell_of
from registry.codecs.tensor_texts import LENGTH_BYTES
from registry.codecs.tensor_types import BOOL, NUMBERS
from registry.signature import Column, Scalar, Signature

_Decode = Callable[[bytes], Any]
_Row = tuple[RequestHead, Sequence[Scalar]]
_NUMERIC = frozenset({"number", "integer"})
_CHARACTERS = {name: kind.char for name, kind in NUMBERS.items()} | {"INT64": "q", "UINT64": "Q"}
"""The numbers as ``struct`` has them. NumPy takes several times as long for a single one."""
_KEPT_LAYOUTS, _LONGEST_KEPT = 64, 2**12
"""Layouts that are kept for each version, and the longest JSON whose layout is."""
_BOOLEANS = {b"\0": False, b"\1": True}

_ONE_ELEMENT: Any = Annotated[list[Literal[1]], msgspec.Meta(min_length=1, max_length=2)]
_ContentType = Literal["np", "str", "pd", "datetime"] | None
"""Those that do not change how an element is read."""


class _JsonParameters(msgspec.Struct, gc=False):
    binary_data_size: None = None
    shared_memory_region: None = None
    content_type: _ContentType = None


class _BinaryParameters(msgspec.Struct, gc=False):
    binary_data_size: int
    shared_memory_region: None = None
    content_type: _ContentType = None


class RowReader:
    """Reads requests of one row of one signature. Safe to use from several threads."""

    def __init__(self, signature: Signature) -> None:
        self._inputs = signature.inputs
        self._columns = _Columns(signature)
        self._matrix: _Matrix | None = None
        self._kept_layout = lru_cache(_KEPT_LAYOUTS)(self._layout)
        if len(signature.inputs) > 1 and _NUMERIC.issuperset(c.type for c in signature.inputs):
            self._matrix = _Matrix(signature)

    def read(self, body: bytes, json_size: int | None) -> TensorRequest | None:
        """The request in ``body`` with its row; ``json_size`` as in ``parse_request``. None: it has
        another form, or is not valid."""
        try:
            if json_size is None:
                head, cells = self._form(body).from_json(body)
            else:
                json = body[:json_size]
                layout = (self._kept_layout if json_size <= _LONGEST_KEPT else self._layout)(json)
                head, cells = layout.head, self._cells(layout, body[json_size:])
        except (msgspec.MsgspecError, ValueError, KeyError, struct.error, RecursionError):
            return None
        return request_of(head, batch=Batch(None, 1, False, tuple(cells), self._inputs))

    def _form(self, json: bytes) -> "_Columns | _Matrix":
        """The form that the request is likely to have."""
        if not json.isascii():
            json.decode()  # msgspec does not validate texts that it skips
        is_matrix = self._matrix is not None and json.count(b'"shape"') == 1
        return self._matrix if self._matrix is not None and is_matrix else self._columns

    def _layout(self, json: bytes) -> "_Layout":
        return self._form(json).layout(json)

    def _cells(self, layout: "_Layout", rest: bytes) -> list[Scalar]:
        cells: list[Scalar] = []
        values = layout.unpack(rest)
        for column, decode, value in zip(self._inputs, layout.decode, values, strict=True):
            if decode is None and value - value == 0:
                cells.append(value)  # a finite double of a column of numbers, the usual case
            else:
                cells.append(cell_of(column, value if decode is None else decode(value)))
        return cells


class _Layout(NamedTuple):
    """What the JSON of a request says of its tensors in binary form: how ``struct`` reads them, and
    what decodes each element, None for a double. Clients send the same JSON with most rows."""

    head: RequestHead
    unpack: Callable[[bytes], tuple[Any, ...]]
    decode: list[Callable[[Any], Any] | None]


class _Columns:
    """A tensor for each column. Its methods raise ValueError and the like for any other request."""

    def __init__(self, signature: Signature) -> None:
        inputs = self._inputs = signature.inputs
        self._names = signature.names
        self._dates = [at for at, column in enumerate(inputs) if column.type == "date"]
        self._decode_json = _decoder(
            _json_tensor(column.type, nullable=column.nullable) for column in inputs
        )
        self._decode_binary = _decoder(_binary_tensor(column.type) for column in inputs)

    def from_json(self, json: bytes) -> _Row:
        request = self._decode_json(json)
        cells = []
        for tensor, name in zip(request.inputs, self._names, strict=True):
            if tensor.name != name:
                raise ValueError
            cells.append(tensor.data[0])
        for at in self._dates:
            cells[at : at + 1] = dates_to_seconds(cells[at : at + 1])
        return request, cells

    def layout(self, json: bytes) -> _Layout:
        request = self._decode_binary(json)
        kinds, decode = ["<"], []
        for tensor, column in zip(request.inputs, self._inputs, strict=True):
            size = tensor.parameters.binary_data_size
            character = _CHARACTERS.get(tensor.datatype, f"{size}s")
            if tensor.name != column.name or struct.calcsize(f"<{character}") != size:
                raise ValueError
            kinds.append(character)
            decode.append(_decoder_of(tensor.datatype, column))
        return _Layout(request, struct.Struct("".join(kinds)).unpack, decode)


class _Matrix:
    """One row of numbers. Its methods raise ValueError and the like for any other request."""

    def __init__(self, signature: Signature) -> None:
        inputs = self._inputs = signature.inputs
        shape = _tuple_of([_one_of([1]), _one_of([len(inputs)])])
        row = _tuple_of(cell_type(one.type, nullable=one.nullable) for one in inputs)
        self._decode_flat = _decoder([_tensor(shape, NUMBERS, row)])
        self._decode_nested = _decoder([_tensor(shape, NUMBERS, _tuple_of([row]))])
        self._decode_binary = _decoder([_tensor(shape, NUMBERS)])

    def from_json(self, json: bytes) -> _Row:
        if b"[[" in json:
            request = self._decode_nested(json)
            return request, request.inputs[0].data[0]
        request = self._decode_flat(json)
        return request, request.inputs[0].data

    def layout(self, json: bytes) -> _Layout:
        request = self._decode_binary(json)
        (tensor,) = request.inputs
        numbers = struct.Struct(f"<{len(self._inputs)}{_CHARACTERS[tensor.datatype]}")
        if tensor.parameters.binary_data_size != numbers.size:
            raise ValueError
        decode = [_decoder_of(tensor.datatype, column) for column in self._inputs]
        return _Layout(request, numbers.unpack, decode)


def _decoder_of(datatype: str, column: Column) -> Callable[[Any], Any] | None:
    """What decodes an element; None for a double of a column of numbers."""
    if datatype in NUMBERS:
        return None if datatype.startswith("FP") and column.type == "number" else _as_it_is
    return _BOOLEANS.__getitem__ if datatype == BOOL else _text


def _as_it_is(element: Any) -> Any:
    return element


def _text(element: bytes) -> str:
    """Raises ValueError."""
    if int.from_bytes(element[:LENGTH_BYTES], "little") != len(element) - LENGTH_BYTES:
        raise ValueError
    return element[LENGTH_BYTES:].decode()


@cache
def _json_tensor(type_: Any, *, nullable: bool) -> Any:
    cell = cell_type(type_, nullable=nullable)
    return _tensor(_ONE_ELEMENT, DATATYPES[type_], _tuple_of([cell]))


@cache
def _binary_tensor(type_: str) -> Any:
    return _tensor(_ONE_ELEMENT, DATATYPES[type_])


def _tensor(shape: Any, datatypes: Collection[str], data: Any = None) -> Any:
    """A tensor with this ``data`` in JSON, or in binary form."""
    fields: list[Any] = [
        ("name", str),
        ("shape", shape),
        ("datatype", _one_of(datatypes)),
    ]
    if data is None:
        fields += [("parameters", _BinaryParameters), ("data", None, None)]
    else:
        fields += [("data", data), ("parameters", _JsonParameters | None, None)]
    # gc=False: it cannot be part of a reference cycle.
    return msgspec.defstruct("Tensor", fields, gc=False)


def _decoder(tensors: Iterable[Any]) -> _Decode:
    """Decodes a request with these inputs."""
    fields = [("inputs", _tuple_of(tensors))]
    request = msgspec.defstruct("Request", fields, bases=(RequestHead,), kw_only=True)
    return msgspec.json.Decoder(request).decode


def _tuple_of(types: Iterable[Any]) -> Any:
    return tuple.__class_getitem__(tuple(types))


def _one_of(values: Iterable[str | int]) -> Any:
    return Literal.__getitem__(tuple(values))
