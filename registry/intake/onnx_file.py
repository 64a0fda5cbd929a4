"""Reads the protobuf of an uploaded ONNX file, and refuses what a file of its own does not need.

Refused are data outside the file, operators of unknown domains, training information, and tensors
that are smaller than they say. Runs in the intake's child only.
"""

from collections.abc import Iterator
from math import prod
from typing import Any, TypeAlias

import onnx
from onnx import TensorProto, helper

from registry.errors import ArtifactRefused, shown

MAX_FILE = 200 * 2**20
MAX_DEPTH = 16
"""Of graphs within the attributes of nodes."""
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Those of the operators that are built into onnxruntime."""
_COMPLEX = frozenset({TensorProto.COMPLEX64, TensorProto.COMPLEX128})
"""Each element is listed as two numbers."""
_PACKED = {
    **dict.fromkeys((TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT4E2M1), 2),
    **dict.fromkeys((TensorProto.INT2, TensorProto.UINT2), 4),
}
"""How many elements share a byte, or a number of the list."""

Message: TypeAlias = Any
"""onnx's types come from protobuf, which publishes none for them."""


def parse(content: bytes) -> Message:
    """The ``onnx.ModelProto`` in ``content``.

    Raises ArtifactRefused that names what is not taken.
    """
    if len(content) > MAX_FILE:
        raise ArtifactRefused(f"The ONNX file is larger than the {MAX_FILE} bytes that are taken.")
    try:
        proto = onnx.ModelProto.FromString(content)
    except Exception as error:  # protobuf's error is not a public class
        raise ArtifactRefused("The artifact is no ONNX file: its protobuf cannot be read.") from (
            error
        )
    if not len(proto.graph.node):
        raise ArtifactRefused("The artifact is no ONNX file with a graph: it has no nodes.")
    if len(proto.training_info):
        raise ArtifactRefused("The ONNX file holds training information: not allowed.")
    known = DOMAINS | {function.domain for function in proto.functions}
    for nodes in (proto.graph.node, *(function.node for function in proto.functions)):
        _check_nodes(nodes, known, 0)
    _check_constants(proto.graph)
    return proto


def opset_of(proto: Message) -> int:
    """The release of ONNX's own operators that the file asks for; 1 where it names none."""
    return max((entry.version for entry in proto.opset_import if not entry.domain), default=1)


def _check_graph(graph: Message, known: frozenset[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ArtifactRefused(f"The ONNX file has graphs in graphs more than {MAX_DEPTH} deep.")
    _check_constants(graph)
    _check_nodes(graph.node, known, depth)


def _check_nodes(nodes: Message, known: frozenset[str], depth: int) -> None:
    for node in nodes:
        if node.domain not in known:
            raise ArtifactRefused(
                f"The ONNX file uses the domain {shown(node.domain)}: only operators that are "
                f"built into ONNX Runtime are allowed ({', '.join(sorted(DOMAINS - {''}))})."
            )
        for attribute in node.attribute:
            if attribute.sparse_tensors or attribute.HasField("sparse_tensor"):
                raise ArtifactRefused("The ONNX file holds sparse tensors: not allowed.")
            for tensor in _tensors(attribute):
                _check_tensor(tensor)
            for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                _check_graph(graph, known, depth + 1)


def _tensors(attribute: Message) -> Iterator[Message]:
    yield from attribute.tensors
    if attribute.HasField("t"):
        yield attribute.t


def _check_constants(graph: Message) -> None:
    if len(graph.sparse_initializer):
        raise ArtifactRefused("The ONNX file holds sparse tensors: not allowed.")
    for tensor in graph.initializer:
        _check_tensor(tensor)


def _check_tensor(tensor: Message) -> None:
    """Its data is in the file, and as large as its shape says."""
    name = shown(tensor.name)
    if tensor.data_location != TensorProto.DEFAULT or len(tensor.external_data):
        raise ArtifactRefused(f"The ONNX tensor {name} keeps its data outside the file.")
    if tensor.HasField("segment"):
        raise ArtifactRefused(f"The ONNX tensor {name} comes in segments: not allowed.")
    if any(size < 0 for size in tensor.dims):
        raise ArtifactRefused(f"The ONNX tensor {name} has a negative dimension.")
    said, held = -(-prod(tensor.dims) // _PACKED.get(tensor.data_type, 1)), _entries(tensor)
    if held != said:
        raise ArtifactRefused(
            f"The ONNX tensor {name} says {shown(str(list(tensor.dims)))} and holds {held:g} "
            "values."
        )


def _entries(tensor: Message) -> float:
    """How many elements the tensor brings along, or pairs and fours of those that are packed."""
    try:
        if tensor.HasField("raw_data"):
            return len(tensor.raw_data) / helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        listed = len(getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type)))
    except (KeyError, TypeError) as error:
        raise ArtifactRefused(f"The ONNX tensor {shown(tensor.name)} is of no known type.") from (
            error
        )
    return listed / 2 if tensor.data_type in _COMPLEX else listed
