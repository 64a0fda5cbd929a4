"""The inputs of an uploaded graph as the columns of a signature."""

from onnx import TensorProto

from registry.errors import ArtifactRefused, Fault, MetadataRefused, shown
from registry.intake.onnx_upload.layout import Given
from registry.intake.onnx_upload.protobuf import Model
from registry.intake.onnx_upload.tensors import Kind, Tensor
from registry.signature import MAX_COLUMNS, Column, ColumnType, Signature

_KINDS: dict[int, tuple[Kind, ColumnType, frozenset[ColumnType]]] = {
    TensorProto.FLOAT: ("float", "number", frozenset({"number", "integer", "boolean"})),
    TensorProto.DOUBLE: ("float", "number", frozenset({"number", "integer", "boolean"})),
    TensorProto.INT64: ("integer", "integer", frozenset({"integer", "boolean"})),
    TensorProto.BOOL: ("boolean", "boolean", frozenset({"boolean"})),
    TensorProto.STRING: ("text", "string", frozenset({"string"})),
}


def read_inputs(model: Model, claimed: Signature | None) -> tuple[Given, tuple[Column, ...]]:
    """What the graph takes, and the columns that stand for it."""
    if not model.inputs:
        raise ArtifactRefused("The ONNX graph has no inputs.")
    for name, kind, sizes in model.inputs:
        if kind not in _KINDS or len(sizes) != 2:
            raise ArtifactRefused(
                f"The ONNX input {shown(name)} is not rows x columns of float, double, int64, bool "
                "or string."
            )
    name, kind, (_, width) = model.inputs[0]
    together = len(model.inputs) == 1 and kind in {TensorProto.FLOAT, TensorProto.DOUBLE}
    if together:
        if width is None:
            if claimed is None:
                raise ArtifactRefused(
                    f"The ONNX input {shown(name)} does not say how many columns it has: give the "
                    "signature in the metadata."
                )
            width = len(claimed.inputs)
        if not 1 <= width <= MAX_COLUMNS:
            raise ArtifactRefused(f"The ONNX input {shown(name)} has {width} columns.")
        given = Given((name,), (kind,), width, together=True)
        names = [f"x{index}" for index in range(width)]
        columns = [Column(own, _KINDS[kind][1]) for own in names]
        return given, _claimed_columns(columns, [kind] * width, claimed, named=False)
    if any(sizes[1] not in {1, None} for _, _, sizes in model.inputs):
        raise ArtifactRefused(
            "The ONNX graph has inputs of several columns each: one tensor of floats or doubles, "
            "or one input for each column, is taken."
        )
    if len(model.inputs) > MAX_COLUMNS:
        raise ArtifactRefused(f"The ONNX graph has more than {MAX_COLUMNS} inputs.")
    kinds = [kind for _, kind, _ in model.inputs]
    given = Given(
        tuple(name for name, _, _ in model.inputs), tuple(kinds), len(kinds), together=False
    )
    columns = [Column(name, _KINDS[kind][1]) for name, kind, _ in model.inputs]
    return given, _claimed_columns(columns, kinds, claimed, named=True)


def _claimed_columns(
    columns: list[Column], kinds: list[int], claimed: Signature | None, *, named: bool
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
    for index, (said, own, kind) in enumerate(zip(claimed.inputs, columns, kinds, strict=True)):
        at = f"signature.inputs[{index}]"
        if named and said.name != own.name:
            faults.append(Fault(f"{at}.name", f"the graph calls this input '{own.name}'"))
        if said.type not in _KINDS[kind][2]:
            faults.append(Fault(f"{at}.type", f"the graph takes the type '{own.type}' here"))
        if said.nullable and _KINDS[kind][0] != "float":
            faults.append(Fault(f"{at}.nullable", "the graph has no null of this type"))
    if faults:
        raise MetadataRefused("The signature does not fit the graph's inputs.", faults)
    return claimed.inputs


def input_tensors(given: Given) -> dict[str, Tensor]:
    width = given.width if given.together else 1
    if len(set(given.names)) != len(given.names):
        raise ArtifactRefused("The ONNX graph has two inputs of one name.")
    return {
        name: Tensor(_KINDS[kind][0], (width,), rows=True)
        for name, kind in zip(given.names, given.types, strict=True)
    }
