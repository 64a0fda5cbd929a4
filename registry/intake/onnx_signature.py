"""The signature of an uploaded ONNX graph: its inputs as columns, its outputs as the output."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from registry.engines.uploaded_onnx import NUMPY_TYPES
from registry.errors import ArtifactRefused, Fault, MetadataRefused, shown
from registry.signature import (
    MAX_CLASSES,
    MAX_COLUMNS,
    MAX_OUTPUTS,
    Column,
    ColumnType,
    Label,
    Output,
    OutputType,
    Signature,
)

_NUMBERS: frozenset[ColumnType] = frozenset({"number", "integer", "boolean"})
_FITTING: dict[ColumnType, frozenset[ColumnType]] = {
    "number": _NUMBERS,
    "integer": frozenset({"integer", "boolean"}),
    "boolean": frozenset({"boolean"}),
    "string": frozenset({"string"}),
}
"""The types that may be declared for a column whose tensor has the type on the left."""


@dataclass(frozen=True, slots=True)
class Returned:
    """What a graph returns for each row.

    ``labels`` are those that could be read from the graph, in the order of the classes;
    ``computed``: they include all that it returns, and perhaps others. None: the node ``source``
    computes them. ``size``: how many values or labels, if several.
    """

    labels: tuple[Label, ...] | None
    computed: bool
    source: str | None
    size: int | None


def read_columns(tensors: Sequence[Any], declared: Signature | None) -> tuple[Column, ...]:
    """The columns of the inputs ``tensors`` of a session, which have known types.

    Columns of one tensor are named x0, x1, … unless ``declared`` names them.

    Raises ArtifactRefused, and MetadataRefused where ``declared`` does not match.
    """
    for tensor in tensors:
        if len(tensor.shape) > 2:
            raise ArtifactRefused(
                f"The ONNX input {shown(tensor.name)} has {len(tensor.shape)} axes: expected rows "
                "x columns."
            )
        if tensor.shape and isinstance(tensor.shape[0], int) and tensor.shape[0] >= 0:
            raise ArtifactRefused(
                f"The ONNX input {shown(tensor.name)} takes exactly {tensor.shape[0]} rows: export "
                "the graph with a dynamic first axis."
            )
    if len(tensors) > 1:
        if any(_width(tensor) not in {1, None} for tensor in tensors):
            raise ArtifactRefused(
                "The ONNX graph has several inputs with more than one column: expected one input "
                "for all columns, or one for each column."
            )
        columns = [Column(tensor.name, _column_type(tensor)) for tensor in tensors]
        return _matching_columns(columns, declared, named=True)
    if not tensors:
        raise ArtifactRefused("The ONNX graph has no inputs.")
    width = _width(tensors[0])
    if width is None:
        if declared is None:
            raise ArtifactRefused(
                f"The ONNX input {shown(tensors[0].name)} has no fixed number of columns: the "
                "signature is required in the metadata."
            )
        width = len(declared.inputs)
    if not 1 <= width <= MAX_COLUMNS:
        raise ArtifactRefused(f"The ONNX input {shown(tensors[0].name)} has {width} columns.")
    kind = _column_type(tensors[0])
    own_name = width == 1 and kind in {"integer", "boolean", "string"}
    names = [tensors[0].name] if own_name else [f"x{index}" for index in range(width)]
    return _matching_columns([Column(name, kind) for name in names], declared, named=own_name)


def _width(tensor: Any) -> int | None:
    """How many columns it has; None where that is not fixed."""
    if len(tensor.shape) == 1:
        return 1
    return tensor.shape[1] if len(tensor.shape) == 2 and isinstance(tensor.shape[1], int) else None


def _column_type(tensor: Any) -> OutputType:
    if tensor.type == "tensor(string)":
        return "string"
    if tensor.type == "tensor(bool)":
        return "boolean"
    return "integer" if "int" in tensor.type else "number"


def _matching_columns(
    columns: list[Column], declared: Signature | None, *, named: bool
) -> tuple[Column, ...]:
    """``columns``, or the declared ones, which must match. Names must match if ``named``."""
    if declared is None:
        # Names from the file must be valid in a signature.
        inputs = [{"name": column.name, "type": column.type} for column in columns]
        whole = {"inputs": inputs, "output": {"name": "prediction", "type": "number"}}
        return Signature.from_json(whole).inputs
    if len(declared.inputs) != len(columns):
        message = f"{len(declared.inputs)} columns are declared, the graph takes {len(columns)}"
        raise MetadataRefused(
            f"The signature does not match: {message}.", [Fault("signature.inputs", message)]
        )
    faults = []
    for index, (said, own) in enumerate(zip(declared.inputs, columns, strict=True)):
        at = f"signature.inputs[{index}]"
        if named and said.name != own.name:
            faults.append(Fault(f"{at}.name", f"the graph names this input '{own.name}'"))
        if said.type not in _FITTING[own.type]:
            faults.append(Fault(f"{at}.type", f"the graph expects the type '{own.type}'"))
        if said.nullable and own.type != "number":
            faults.append(Fault(f"{at}.nullable", "the graph accepts no nulls of this type"))
    if faults:
        raise MetadataRefused("The signature does not match the graph's inputs.", faults)
    return declared.inputs


def read_output(outputs: Sequence[Any], returned: Returned, declared: Signature | None) -> Output:
    """The output, whose type is that of the first of ``outputs``.

    Raises ArtifactRefused, and MetadataRefused where ``declared`` does not match.
    """
    if not 1 <= len(outputs) <= 2:
        raise ArtifactRefused(
            f"The ONNX graph has {len(outputs)} outputs: expected one, or a label and "
            "probabilities."
        )
    if outputs[0].type not in NUMPY_TYPES:
        raise ArtifactRefused(f"The ONNX output {shown(outputs[0].name)} is not a tensor.")
    if returned.size is not None and returned.size > MAX_OUTPUTS:
        raise ArtifactRefused(
            f"The ONNX graph returns {returned.size} values for a row; at most {MAX_OUTPUTS} are "
            "allowed."
        )
    kind = _column_type(outputs[0])
    said = None if declared is None else declared.output.classes
    if kind == "number":
        if len(outputs) == 2 or said is not None:
            raise ArtifactRefused(
                f"The ONNX output {shown(outputs[0].name)} is a number, not a label of a class."
            )
        return _named(Output("prediction", "number", size=returned.size), declared)
    if kind == "boolean":
        returned = replace(returned, labels=(False, True), computed=False)
    classes = _classes(returned, said)
    if any(type(label) is not _LABELS[kind] for label in classes):
        raise ArtifactRefused(
            f"The ONNX output {shown(outputs[0].name)} has the type '{kind}', and its classes have "
            "another: declare them in signature.output.classes."
        )
    return _named(Output("prediction", kind, classes, returned.size), declared)


_LABELS: dict[ColumnType, type] = {"string": str, "integer": int, "boolean": bool}


def _classes(returned: Returned, said: tuple[Label, ...] | None) -> tuple[Label, ...]:
    """The classes in the declared order; if the graph names its classes, they must be the same."""
    classes = said or returned.labels
    labels = None if returned.computed else returned.labels
    if classes is None:
        source = f", which {returned.source} computes" if returned.source else ""
        raise ArtifactRefused(
            f"The ONNX graph does not name its labels{source}: declare them, in the order of its "
            "probabilities, in signature.output.classes."
        )
    if len(set(classes)) != len(classes) or (
        labels is not None and set(map(_key, classes)) != set(map(_key, labels))
    ):
        fault = Fault(
            "signature.output.classes", f"expected the graph's classes, {list(labels or ())[:20]}"
        )
        raise MetadataRefused("The signature does not match the graph's classes.", [fault])
    if len(classes) > MAX_CLASSES:
        raise ArtifactRefused(f"The ONNX graph has {len(classes)} classes.")
    return classes


def _key(label: Label) -> tuple[bool, Label]:
    return isinstance(label, str), label


def _named(own: Output, declared: Signature | None) -> Output:
    """``own`` with the declared name, if the declared type is compatible."""
    if declared is None:
        return own
    kinds = {own.type} if own.classes is not None else {"number", "integer"}
    if declared.output.type not in kinds:
        fault = Fault("signature.output.type", f"the graph's output has the type '{own.type}'")
        raise MetadataRefused("The signature does not match the graph's output.", [fault])
    return replace(own, name=declared.output.name)
