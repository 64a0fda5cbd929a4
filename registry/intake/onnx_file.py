"""Parses the protobuf of an uploaded ONNX file and refuses what a self-contained one does not need.

Refused are external data, operators of unknown domains, training information, unknown fields, and
tensors whose data is not as large as their shape says. Runs in the intake's child only.
"""

from math import prod
from typing import Any, TypeAlias

import onnx
from onnx import TensorProto, helper

from registry.errors import ArtifactRefused, shown

MAX_FILE = 200 * 2**20
MAX_DEPTH = 16
"""Levels of graphs nested in attributes of nodes."""
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""The domains of the operators that are built into onnxruntime."""
_COMPLEX = frozenset({TensorProto.COMPLEX64, TensorProto.COMPLEX128})
"""Types whose elements are each listed as two numbers."""
_PACKED = {
    **dict.fromkeys((TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT4E2M1), 2),
    **dict.fromkeys((TensorProto.INT2, TensorProto.UINT2), 4),
}
"""How many elements share a byte, or a number in the list."""

_RESERVED = ("ai.onnx.", "com.microsoft.", "com.ms.")
"""Prefixes of the domains that ONNX Runtime uses for internal operators. If a function of the file
has the name of such an operator, ONNX Runtime runs the operator."""
_REFUSED = {
    "SparseTensorProto": "sparse tensors",
    "TrainingInfoProto": "training information",
}
"""Types of messages that no file may contain, and what they are."""

Message: TypeAlias = Any
"""onnx's types come from protobuf, which publishes none for them."""
_Functions: TypeAlias = frozenset[tuple[str, str, str]]
"""Domain, name and overload of each."""


def parse(content: bytes) -> Message:
    """The ``onnx.ModelProto`` in ``content``.

    Raises ArtifactRefused naming what is not accepted.
    """
    if len(content) > MAX_FILE:
        raise ArtifactRefused(f"The ONNX file is larger than {MAX_FILE} bytes, the limit.")
    try:
        proto = onnx.ModelProto.FromString(content)
    except Exception as error:  # protobuf's error is not a public class
        raise ArtifactRefused(
            "The artifact is not an ONNX file: its protobuf cannot be read."
        ) from (error)
    if not len(proto.graph.node):
        raise ArtifactRefused("The ONNX file has no graph: it has no nodes.")
    _check_known(proto)
    for function in proto.functions:
        if function.domain not in DOMAINS and function.domain.startswith(_RESERVED):
            raise ArtifactRefused(
                f"The ONNX file has a function of the domain {shown(function.domain)}, which is "
                "reserved for operators of ONNX Runtime: move it to another domain."
            )
    own = frozenset((each.domain, each.name, each.overload) for each in proto.functions)
    _check_message(proto, own, 0)
    return proto


def opset_of(proto: Message) -> int:
    """The version of ONNX's own operators that the file requires; 1 where it names none."""
    return max((entry.version for entry in proto.opset_import if not entry.domain), default=1)


def _check_known(proto: Message) -> None:
    """Raises ArtifactRefused where the file has fields that this version of onnx cannot read."""
    size = proto.ByteSize()
    proto.DiscardUnknownFields()
    if proto.ByteSize() != size:
        raise ArtifactRefused(
            f"The ONNX file has fields that onnx {onnx.__version__} does not know: export it for "
            "an older version of ONNX."
        )


def _check_message(message: Message, own: _Functions, depth: int) -> None:
    """Check ``message`` and the messages in all of its fields.

    ``own``: the functions of the file. ``depth``: how many attributes hold ``message``.
    """
    kind = message.DESCRIPTOR.name
    if kind in _REFUSED:
        raise ArtifactRefused(f"The ONNX file contains {_REFUSED[kind]}: not allowed.")
    if kind == "GraphProto" and depth > MAX_DEPTH:
        raise ArtifactRefused(f"The ONNX file nests graphs more than {MAX_DEPTH} levels deep.")
    if kind == "NodeProto":
        _check_operator(message, own)
    if kind == "TensorProto":
        _check_tensor(message)
    depth += kind == "AttributeProto"
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in (value,) if hasattr(value, "DESCRIPTOR") else value:
                _check_message(inner, own, depth)


def _check_operator(node: Message, own: _Functions) -> None:
    if node.domain not in DOMAINS and (node.domain, node.op_type, node.overload) not in own:
        raise ArtifactRefused(
            f"The ONNX file uses {shown(node.op_type)} of the domain {shown(node.domain)}: only "
            "functions of the file and operators that are built into ONNX Runtime are allowed "
            f"({', '.join(sorted(DOMAINS - {''}))})."
        )


def _check_tensor(tensor: Message) -> None:
    """Raises ArtifactRefused unless its data is in the file and as large as its shape says."""
    name = shown(tensor.name)
    if tensor.data_location != TensorProto.DEFAULT or len(tensor.external_data):
        raise ArtifactRefused(f"The ONNX tensor {name} has external data: not allowed.")
    if tensor.HasField("segment"):
        raise ArtifactRefused(f"The ONNX tensor {name} has segments: not allowed.")
    if any(size < 0 for size in tensor.dims):
        raise ArtifactRefused(f"The ONNX tensor {name} has a negative dimension.")
    said, held = -(-prod(tensor.dims) // _PACKED.get(tensor.data_type, 1)), _entries(tensor)
    if held != said:
        raise ArtifactRefused(
            f"The ONNX tensor {name} has the shape {shown(str(list(tensor.dims)))} and {held:g} "
            "values."
        )


def _entries(tensor: Message) -> float:
    """The number of elements in the tensor's data; of packed ones, the number of bytes."""
    try:
        if tensor.HasField("raw_data"):
            return len(tensor.raw_data) / helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        listed = len(getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type)))
    except (KeyError, TypeError) as error:
        raise ArtifactRefused(f"The ONNX tensor {shown(tensor.name)} has an unknown type.") from (
            error
        )
    return listed / 2 if tensor.data_type in _COMPLEX else listed
