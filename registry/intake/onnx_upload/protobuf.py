"""Reads the protobuf of an uploaded ONNX file: what it may hold at all, as plain values.

Refused are data outside the file, domains of others, functions, training, subgraphs and sparse
tensors, wherever they stand.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, TensorProto, numpy_helper

from registry.errors import ArtifactRefused, shown

MAX_FILE = 200 * 2**20
MAX_NODES = 10_000
MAX_CONSTANTS = 50_000
OPSETS = range(9, 26)
ML_OPSETS = range(1, 6)
ML = "ai.onnx.ml"
_DOMAINS = {"": "", "ai.onnx": "", ML: ML}
_MAX_TEXTS = 100_000

Message: TypeAlias = Any
"""onnx's types come from protobuf, which publishes none for them."""

_TYPED: dict[int, tuple[str, str]] = {
    TensorProto.FLOAT: ("float_data", "<f4"),
    TensorProto.DOUBLE: ("double_data", "<f8"),
    TensorProto.INT32: ("int32_data", "<i4"),
    TensorProto.INT64: ("int64_data", "<i8"),
    TensorProto.BOOL: ("int32_data", "|b1"),
    TensorProto.UINT8: ("int32_data", "|u1"),
}
_WORDS = frozenset(
    {
        *("nodes_modes", "post_transform", "norm", "aggregate_function", "direction"),
        *("approximate", "imputed_values"),
    }
)
"""Attributes whose texts are words of ONNX itself, not of the model."""


@dataclass(slots=True)
class Operation:
    """A node as it stands in the file. ``attributes`` hold numbers, texts, lists and arrays."""

    operator: str
    domain: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


@dataclass(slots=True)
class Model:
    """An ONNX file's graph; ``inputs`` and ``outputs`` as name, element type and lengths."""

    opset: int
    ml_opset: int
    ir_version: int
    inputs: list[tuple[str, int, list[int | None]]]
    outputs: list[str]
    constants: dict[str, NDArray[Any]]
    operations: list[Operation] = field(default_factory=list)


def parse(content: bytes) -> Model:
    """Read ``content``. Raises ArtifactRefused naming what it is that is not taken."""
    if len(content) > MAX_FILE:
        raise ArtifactRefused(f"The ONNX file is larger than the {MAX_FILE} bytes that are taken.")
    try:
        proto = onnx.ModelProto.FromString(content)
    except Exception as error:  # protobuf's error is not a public class
        raise ArtifactRefused("The artifact is no ONNX file: its protobuf cannot be read.") from (
            error
        )
    opset, ml_opset = _opsets(proto)
    graph = proto.graph
    _check_extent(proto)
    constants: dict[str, NDArray[Any]] = {}
    for tensor in graph.initializer:
        if tensor.name in constants:
            raise ArtifactRefused(f"The ONNX file has two tensors named {shown(tensor.name)}.")
        constants[tensor.name] = _array(tensor)
    inputs = [_typed(value) for value in graph.input if value.name not in constants]
    outputs = [value.name for value in graph.output]
    return Model(
        *(opset, ml_opset, proto.ir_version, inputs, outputs, constants),
        [_operation(node) for node in graph.node],
    )


def _check_extent(proto: Message) -> None:
    for name, said in (("functions", "functions"), ("training_info", "training information")):
        if len(getattr(proto, name)):
            raise ArtifactRefused(f"The ONNX file holds {said}: not allowed.")
    graph = proto.graph
    if len(graph.sparse_initializer):
        raise ArtifactRefused("The ONNX file holds sparse tensors: not allowed.")
    if len(graph.node) > MAX_NODES:
        raise ArtifactRefused(f"The ONNX file has more than the {MAX_NODES} nodes that are taken.")
    if len(graph.initializer) > MAX_CONSTANTS:
        raise ArtifactRefused(f"The ONNX file has more than {MAX_CONSTANTS} constants.")
    if not len(graph.node):
        raise ArtifactRefused("The artifact is no ONNX file with a graph: it has no nodes.")


def _opsets(proto: Message) -> tuple[int, int]:
    asked: dict[str, int] = {}
    for entry in proto.opset_import:
        domain = _domain(entry.domain)
        if asked.setdefault(domain, entry.version) != entry.version:
            raise ArtifactRefused("The ONNX file asks for two releases of the same operators.")
    opset, ml_opset = asked.get("", OPSETS.start), asked.get(ML, 1)
    for domain, version, known in (("ai.onnx", opset, OPSETS), (ML, ml_opset, ML_OPSETS)):
        if version not in known:
            raise ArtifactRefused(
                f"The ONNX file asks for operators of {domain} {version}; "
                f"{known.start} to {known.stop - 1} are taken."
            )
    return opset, ml_opset


def _domain(name: str) -> str:
    if name not in _DOMAINS:
        raise ArtifactRefused(
            f"The ONNX file uses the domain {shown(name)}: only ONNX's own and {ML} are allowed."
        )
    return _DOMAINS[name]


def _typed(value: Message) -> tuple[str, int, list[int | None]]:
    if value.type.WhichOneof("value") != "tensor_type":
        raise ArtifactRefused(f"The ONNX input {shown(value.name)} is no tensor: not allowed.")
    tensor = value.type.tensor_type
    sizes = [
        int(size.dim_value) if size.WhichOneof("value") == "dim_value" else None
        for size in tensor.shape.dim
    ]
    return value.name, tensor.elem_type, sizes


def _operation(node: Message) -> Operation:
    attributes: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.name in attributes:
            raise ArtifactRefused(
                f"The ONNX operator {shown(node.op_type)} has two attributes "
                f"{shown(attribute.name)}."
            )
        attributes[attribute.name] = _value(node, attribute)
    return Operation(
        *(node.op_type, _domain(node.domain), list(node.input), list(node.output)), attributes
    )


def _value(node: Message, attribute: Message) -> Any:
    kind = attribute.type
    if attribute.ref_attr_name or kind in {AttributeProto.GRAPH, AttributeProto.GRAPHS}:
        raise ArtifactRefused(
            f"The ONNX operator {shown(node.op_type)} holds a graph in its attribute "
            f"{shown(attribute.name)}: not allowed."
        )
    read = _READERS.get(kind)
    if read is None:
        raise ArtifactRefused(
            f"The ONNX operator {shown(node.op_type)} has the attribute {shown(attribute.name)} of "
            "a type that is not taken."
        )
    return read(attribute)


def _array(tensor: Message) -> NDArray[Any]:
    """The array of a constant, whose declared size is that of the data it brings along."""
    name = shown(tensor.name)
    if tensor.data_location != TensorProto.DEFAULT or len(tensor.external_data):
        raise ArtifactRefused(f"The ONNX tensor {name} keeps its data outside the file.")
    if tensor.HasField("segment"):
        raise ArtifactRefused(f"The ONNX tensor {name} comes in segments: not allowed.")
    shape = tuple(tensor.dims)
    if any(size < 0 for size in shape) or len(shape) > 8:
        raise ArtifactRefused(f"The ONNX tensor {name} has a shape that is not allowed.")
    if tensor.data_type == TensorProto.STRING:
        held = len(tensor.string_data)
        if held > _MAX_TEXTS:
            raise ArtifactRefused(f"The ONNX tensor {name} holds more than {_MAX_TEXTS} texts.")
        texts = [_text(item) for item in tensor.string_data]
        _check_size(name, shape, held)
        made = np.empty(held, dtype=object)
        made[:] = texts
        return made.reshape(shape)
    if tensor.data_type not in _TYPED:
        raise ArtifactRefused(f"The ONNX tensor {name} is of a type that is not taken.")
    listed, dtype = _TYPED[tensor.data_type]
    whole = np.dtype(dtype)
    held = len(getattr(tensor, listed))
    if tensor.HasField("raw_data"):
        if held or len(tensor.raw_data) % whole.itemsize:
            raise ArtifactRefused(f"The ONNX tensor {name} does not hold the data of its shape.")
        held = len(tensor.raw_data) // whole.itemsize
    _check_size(name, shape, held)
    array: NDArray[Any] = numpy_helper.to_array(tensor)
    return array


def _check_size(name: str, shape: tuple[int, ...], held: int) -> None:
    if prod(shape) != held:
        raise ArtifactRefused(
            f"The ONNX tensor {name} says {shown(str(list(shape)))} and holds {held} values."
        )


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ArtifactRefused("The ONNX file holds a text that is not UTF-8.") from error


def is_word(attribute: str) -> bool:
    """Whether the texts of ``attribute`` are ONNX's own words."""
    return attribute in _WORDS


_READERS: dict[int, Callable[[Message], Any]] = {
    AttributeProto.TENSOR: lambda attribute: _array(attribute.t),
    AttributeProto.FLOAT: lambda attribute: float(attribute.f),
    AttributeProto.INT: lambda attribute: int(attribute.i),
    AttributeProto.STRING: lambda attribute: _text(attribute.s),
    AttributeProto.FLOATS: lambda attribute: [float(item) for item in attribute.floats],
    AttributeProto.INTS: lambda attribute: [int(item) for item in attribute.ints],
    AttributeProto.STRINGS: lambda attribute: [_text(item) for item in attribute.strings],
}
