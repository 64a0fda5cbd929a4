"""Reads the usual requests of one row: a tensor of one element for each column, in the order of the
signature, or one matrix of numbers; all in JSON or all in binary form.

They are decoded in a fraction of the time that `registry.codecs.tensor_rows` takes, which reads any
other request, and names what is wrong with it.
"""

import struct
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from typing import Annotated, Any, Literal

import msgspec

from registry.codecs.batch import Batch, dates_to_seconds
from registry.codecs.json_reader import cell_type
from registry.codecs.tensor_request import RequestHead, TensorRequest, request_of
from registry.codecs.tensor_rows import DATATYPES, cell_of
from registry.codecs.tensor_texts import LENGTH_BYTES
from registry.codecs.tensor_types import BOOL, NUMBERS
from registry.signature import Scalar, Signature

_Decode = Callable[[bytes], Any]
_Row = tuple[RequestHead, Sequence[Scalar]]
_NUMERIC = frozenset({"number", "integer"})
_CHARACTERS = {name: kind.char for name, kind in NUMBERS.items()} | {"INT64": "q", "UINT64": "Q"}
_UNPACK = {name: struct.Struct(f"<{character}").unpack for name, character in _CHARACTERS.items()}
"""Reads the only element of a tensor; NumPy takes several times as long."""
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
        if len(signature.inputs) > 1 and _NUMERIC.issuperset(c.type for c in signature.inputs):
            self._matrix = _Matrix(signature)

    def read(self, body: bytes, json_size: int | None) -> TensorRequest | None:
        """The request in ``body`` with its row; ``json_size`` as in ``parse_request``. None: it has
        another form, or is not valid."""
        json = body if json_size is None else body[:json_size]
        form: _Columns | _Matrix = self._columns
        if self._matrix is not None and json.count(b'"shape"') == 1:
            form = self._matrix
        try:
            if not json.isascii():
                json.decode()  # msgspec does not validate texts that it skips
            if json_size is None:
                head, cells = form.from_json(json)
            else:
                head, cells = form.from_bytes(json, body[json_size:])
        except (msgspec.MsgspecError, ValueError, KeyError, struct.error, RecursionError):
            return None
        return request_of(head, batch=Batch(None, 1, False, tuple(cells), self._inputs))


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

    def from_bytes(self, json: bytes, rest: bytes) -> _Row:
        request = self._decode_binary(json)
        cells: list[Scalar] = []
        at = 0
        for tensor, column in zip(request.inputs, self._inputs, strict=True):
            if tensor.name != column.name:
                raise ValueError
            end = at + tensor.parameters.binary_data_size
            unpack = _UNPACK.get(tensor.datatype)
            if unpack is None:
                cell = cell_of(column, _element(tensor.datatype, rest[at:end]))
            else:
                (cell,) = unpack(rest[at:end])
                # The usual case: a finite double of a column of numbers.
                if type(cell) is not float or column.type != "number" or cell - cell != 0:
                    cell = cell_of(column, cell)
            cells.append(cell)
            at = end
        if at != len(rest):
            raise ValueError
        return request, cells


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

    def from_bytes(self, json: bytes, rest: bytes) -> _Row:
        request = self._decode_binary(json)
        (tensor,) = request.inputs
        if tensor.parameters.binary_data_size != len(rest):
            raise ValueError
        cells = struct.unpack(f"<{len(self._inputs)}{_CHARACTERS[tensor.datatype]}", rest)
        return request, list(map(cell_of, self._inputs, cells))


def _element(datatype: str, raw: bytes) -> Any:
    """The only element of a tensor of booleans or texts. Raises ValueError or KeyError."""
    if datatype == BOOL:
        return _BOOLEANS[raw]
    if int.from_bytes(raw[:LENGTH_BYTES], "little") != len(raw) - LENGTH_BYTES:
        raise ValueError
    return raw[LENGTH_BYTES:].decode()


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
