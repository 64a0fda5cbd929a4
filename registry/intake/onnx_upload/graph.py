"""Follows an uploaded graph from its inputs to its outputs by the rules of its operators.

At the end the size and the kind of every tensor are known, and with them what a row costs.
"""

from dataclasses import dataclass, field

from registry.errors import ArtifactRefused, shown
from registry.intake.onnx_upload.ml_operators import ML_OPERATORS
from registry.intake.onnx_upload.operators import OPERATORS
from registry.intake.onnx_upload.protobuf import ML, Model, Operation
from registry.intake.onnx_upload.tensors import Node, Tensor, constant

MAX_CELLS_OF_A_ROW = 16_384
"""Numbers in all tensors together, for one row; a worker runs up to 4,096 rows at once."""
MAX_WORK_OF_A_ROW = 5_000_000
"""Multiplications and steps, for one row."""
MAX_FIXED_CELLS = 50_000_000
"""Numbers in all tensors that do not depend on the rows, and are no constants of the file."""
ZIPMAP = "ZipMap"


@dataclass(slots=True)
class Followed:
    """``zipped``: for the output of each ZipMap the tensor that it was given, and its classes."""

    tensors: dict[str, Tensor]
    zipped: dict[str, tuple[str, tuple[str | int, ...]]] = field(default_factory=dict)


def follow(model: Model, inputs: dict[str, Tensor]) -> Followed:
    """What is known of each tensor of ``model``. Raises ArtifactRefused."""
    tensors = {**{name: constant(array) for name, array in model.constants.items()}, **inputs}
    if len(tensors) < len(model.constants) + len(inputs):
        raise ArtifactRefused("The ONNX file calls an input and a constant by the same name.")
    found = Followed(tensors)
    cells = work = fixed = 0
    for operation in model.operations:
        if operation.operator == ZIPMAP and operation.domain == ML:
            _unzip(found, operation)
            continue
        node = _node(model, operation, tensors)
        for name, tensor in zip(operation.outputs, _made(node, operation), strict=True):
            if name in tensors or name in found.zipped:
                raise ArtifactRefused(f"The ONNX file makes {shown(name)} twice.")
            if 0 in tensor.shape:
                raise node.refuse("makes a tensor of no size")
            tensors[name] = tensor
            cells += tensor.cells if tensor.rows else 0
            fixed += 0 if tensor.rows or operation.operator == "Constant" else tensor.cells
        work += node.work
        if cells > MAX_CELLS_OF_A_ROW:
            raise ArtifactRefused(
                f"The ONNX graph makes more than {MAX_CELLS_OF_A_ROW} numbers for one row "
                f"(at {shown(operation.operator)})."
            )
        if work > MAX_WORK_OF_A_ROW or fixed > MAX_FIXED_CELLS:
            raise ArtifactRefused(
                f"The ONNX graph takes more than {MAX_WORK_OF_A_ROW} steps for one row "
                f"(at {shown(operation.operator)})."
            )
    return found


def _node(model: Model, operation: Operation, tensors: dict[str, Tensor]) -> Node:
    inputs: list[Tensor | None] = []
    for name in operation.inputs:
        if name and name not in tensors:
            raise ArtifactRefused(
                f"The ONNX operator {shown(operation.operator)} takes {shown(name)}, which nothing "
                "before it makes."
            )
        inputs.append(tensors[name] if name else None)
    opset = model.ml_opset if operation.domain == ML else model.opset
    return Node(operation.operator, inputs, operation.attributes, len(operation.outputs), opset)


def _made(node: Node, operation: Operation) -> list[Tensor]:
    rules = ML_OPERATORS if operation.domain == ML else OPERATORS
    rule = rules.get(operation.operator)
    if rule is None:
        raise ArtifactRefused(
            f"The ONNX operator {shown(operation.operator)} of {operation.domain or 'ai.onnx'}: "
            "not allowed."
        )
    if not operation.outputs or not all(operation.outputs):
        raise node.refuse("has outputs that are left out")
    try:
        made = rule(node)
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise node.refuse("has inputs or attributes that do not fit") from error
    if len(made) != len(operation.outputs):
        raise node.refuse(f"has {len(operation.outputs)} outputs")
    return made


def _unzip(found: Followed, operation: Operation) -> None:
    if len(operation.inputs) != 1 or len(operation.outputs) != 1:
        raise ArtifactRefused("The ONNX operator 'ZipMap' has other than one input and output.")
    given = found.tensors.get(operation.inputs[0])
    classes = [
        operation.attributes[name]
        for name in ("classlabels_int64s", "classlabels_strings")
        if operation.attributes.get(name)
    ]
    if given is None or not given.rows or len(classes) != 1 or given.shape != (len(classes[0]),):
        raise ArtifactRefused("The ONNX operator 'ZipMap' names classes that do not fit.")
    if operation.outputs[0] in found.tensors:
        raise ArtifactRefused(f"The ONNX file makes {shown(operation.outputs[0])} twice.")
    found.zipped[operation.outputs[0]] = operation.inputs[0], tuple(classes[0])
