"""The signature of an uploaded ONNX graph: its inputs as columns, its outputs as an answer."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from registry.engines.uploaded_onnx import NUMPY_TYPES
from registry.errors import ArtifactRefused, Fault, MetadataRefused, shown
from registry.signature import (
    MAX_CLASSES,
    MAX_COLUMNS,
    Column,
    ColumnType,
    Label,
    Output,
    Signature,
)

_NUMBERS: frozenset[ColumnType] = frozenset({"number", "integer", "boolean"})
_FITTING: dict[ColumnType, frozenset[ColumnType]] = {
    "number": _NUMBERS,
    "integer": frozenset({"integer", "boolean"}),
    "boolean": frozenset({"boolean"}),
    "string": frozenset({"string"}),
}
"""What may be claimed of a column whose tensor is of the type on the left."""


def read_columns(tensors: Sequence[Any], claimed: Signature | None) -> tuple[Column, ...]:
    """The columns that stand for the inputs ``tensors`` of a session, which are of known types.

    Columns of one tensor are called x0, x1, … unless ``claimed`` names them.

    Raises ArtifactRefused, and MetadataRefused where ``claimed`` does not fit.
    """
    for tensor in tensors:
        if len(tensor.shape) > 2:
            raise ArtifactRefused(
                f"The ONNX input {shown(tensor.name)} has {len(tensor.shape)} axes: rows x columns "
                "are taken."
            )
        if tensor.shape and isinstance(tensor.shape[0], int) and tensor.shape[0] >= 0:
            raise ArtifactRefused(
                f"The ONNX input {shown(tensor.name)} takes exactly {tensor.shape[0]} rows: export "
                "the graph with a free first axis."
            )
    if len(tensors) > 1:
        if any(_width(tensor) not in {1, None} for tensor in tensors):
            raise ArtifactRefused(
                "The ONNX graph has inputs of several columns each: one input for all columns, or "
                "one for each column, is taken."
            )
        columns = [Column(tensor.name, _column_type(tensor)) for tensor in tensors]
        return _claimed(columns, claimed, named=True)
    if not tensors:
        raise ArtifactRefused("The ONNX graph has no inputs.")
    width = _width(tensors[0])
    if width is None:
        if claimed is None:
            raise ArtifactRefused(
                f"The ONNX input {shown(tensors[0].name)} does not say how many columns it has: "
                "give the signature in the metadata."
            )
        width = len(claimed.inputs)
    if not 1 <= width <= MAX_COLUMNS:
        raise ArtifactRefused(f"The ONNX input {shown(tensors[0].name)} has {width} columns.")
    kind = _column_type(tensors[0])
    own_name = width == 1 and kind in {"integer", "boolean", "string"}
    names = [tensors[0].name] if own_name else [f"x{index}" for index in range(width)]
    return _claimed([Column(name, kind) for name in names], claimed, named=own_name)


def _width(tensor: Any) -> int | None:
    """How many columns it has; None where that is open."""
    if len(tensor.shape) == 1:
        return 1
    return tensor.shape[1] if len(tensor.shape) == 2 and isinstance(tensor.shape[1], int) else None


def _column_type(tensor: Any) -> ColumnType:
    if tensor.type == "tensor(string)":
        return "string"
    if tensor.type == "tensor(bool)":
        return "boolean"
    return "integer" if "int" in tensor.type else "number"


def _claimed(
    columns: list[Column], claimed: Signature | None, *, named: bool
) -> tuple[Column, ...]:
    """``columns``, or what is claimed where that fits them. Names count where ``named``."""
    if claimed is None:
        # Names of the file's own are held to what a signature takes.
        inputs = [{"name": column.name, "type": column.type} for column in columns]
        whole = {"inputs": inputs, "output": {"name": "prediction", "type": "number"}}
        return Signature.from_json(whole).inputs
    if len(claimed.inputs) != len(columns):
        message = f"{len(claimed.inputs)} columns are said, the graph takes {len(columns)}"
        raise MetadataRefused(
            f"The signature does not fit: {message}.", [Fault("signature.inputs", message)]
        )
    faults = []
    for index, (said, own) in enumerate(zip(claimed.inputs, columns, strict=True)):
        at = f"signature.inputs[{index}]"
        if named and said.name != own.name:
            faults.append(Fault(f"{at}.name", f"the graph calls this input '{own.name}'"))
        if said.type not in _FITTING[own.type]:
            faults.append(Fault(f"{at}.type", f"the graph takes the type '{own.type}' here"))
        if said.nullable and own.type != "number":
            faults.append(Fault(f"{at}.nullable", "the graph has no null of this type"))
    if faults:
        raise MetadataRefused("The signature does not fit the graph's inputs.", faults)
    return claimed.inputs


def read_output(
    outputs: Sequence[Any], labels: tuple[Label, ...] | None, claimed: Signature | None
) -> Output:
    """The answer, whose type is that of the first of ``outputs``.

    ``labels`` are those that are known of the graph, in the order of the classes.

    Raises ArtifactRefused, and MetadataRefused where ``claimed`` does not fit.
    """
    if not 1 <= len(outputs) <= 2:
        raise ArtifactRefused(
            f"The ONNX graph has {len(outputs)} outputs: one, or a label and probabilities, are "
            "taken."
        )
    if outputs[0].type not in NUMPY_TYPES:
        raise ArtifactRefused(f"The ONNX output {shown(outputs[0].name)} is not one tensor.")
    kind = _column_type(outputs[0])
    said = None if claimed is None else claimed.output.classes
    if kind == "number":
        if len(outputs) == 2 or said is not None:
            raise ArtifactRefused(
                f"The ONNX output {shown(outputs[0].name)} is a number, and no label of a class."
            )
        return _named(Output("prediction", "number"), claimed)
    classes = _classes(labels or ((False, True) if kind == "boolean" else None), said)
    if any(type(label) is not _LABELS[kind] for label in classes):
        raise ArtifactRefused(
            f"The ONNX output {shown(outputs[0].name)} is of the type '{kind}', and its classes "
            "are of another: give them as signature.output.classes."
        )
    return _named(Output("prediction", kind, classes), claimed)


_LABELS: dict[ColumnType, type] = {"string": str, "integer": int, "boolean": bool}


def _classes(labels: tuple[Label, ...] | None, said: tuple[Label, ...] | None) -> tuple[Label, ...]:
    """The classes in the order that is said; where the graph tells what they are, no others."""
    classes = said or labels
    if classes is None:
        raise ArtifactRefused(
            "The ONNX graph answers labels and does not tell which: give them, in the order of its "
            "probabilities, as signature.output.classes."
        )
    if len(set(classes)) != len(classes) or (
        labels is not None and set(map(_key, classes)) != set(map(_key, labels))
    ):
        fault = Fault("signature.output.classes", f"the graph's are {list(labels or ())[:20]}")
        raise MetadataRefused("The signature does not fit the graph's classes.", [fault])
    if len(classes) > MAX_CLASSES:
        raise ArtifactRefused(f"The ONNX graph has {len(classes)} classes.")
    return classes


def _key(label: Label) -> tuple[bool, Label]:
    return isinstance(label, str), label


def _named(own: Output, claimed: Signature | None) -> Output:
    """``own`` with the name that is claimed, where the type is one that fits."""
    if claimed is None:
        return own
    kinds = {own.type} if own.classes is not None else {"number", "integer"}
    if claimed.output.type not in kinds:
        fault = Fault("signature.output.type", f"the graph's output is of type '{own.type}'")
        raise MetadataRefused("The signature does not fit the graph's output.", [fault])
    return replace(own, name=claimed.output.name)
