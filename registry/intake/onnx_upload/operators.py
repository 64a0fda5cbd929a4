"""The operators of ONNX's own domain that are taken, each with the rule of what it makes.

Not here, on purpose: control flow (If, Loop, Scan), what makes a tensor of a computed size
(ConstantOfShape, Expand, Tile, Range, Pad, Resize, OneHot, NonZero, Unique, Compress, Shape, …),
random numbers, images, recurrence, strings that are parsed or put together. An operator that is
not in the table is refused, also one that ONNX adds later.
"""

from collections.abc import Callable
from math import prod

import numpy as np

from registry.intake.onnx_upload.tensors import Kind, Node, Shape, Tensor, broadcast, constant

Rule = Callable[[Node], list[Tensor]]

_INT64_MIN = -(2**63)
_KINDS: dict[int, Kind] = {
    1: "float",
    6: "integer",
    7: "integer",
    8: "text",
    9: "boolean",
    11: "float",
}
"""What ``Cast`` may make, by the numbers of TensorProto.DataType."""


def _same(node: Node) -> list[Tensor]:
    return [node.numbers().made(labels=None)]


def _question(node: Node) -> list[Tensor]:
    return [node.numbers().made(kind="boolean", labels=(False, True))]


def _identity(node: Node) -> list[Tensor]:
    tensor = node.inputs[0]
    if tensor is None:
        raise node.refuse("lacks its input 0")
    return [tensor]


def _cast(node: Node) -> list[Tensor]:
    (tensor,) = _identity(node)
    kind = _KINDS.get(node.attribute("to", int, 0))
    if kind is None:
        raise node.refuse("makes a type that is not taken")
    if (kind == "text") != (tensor.kind == "text"):
        raise node.refuse("turns texts into numbers or numbers into texts")
    keeps = tensor.kind == kind or (tensor.kind, kind) == ("boolean", "integer")
    return [tensor.made(kind=kind, labels=tensor.labels if keeps else None)]


def _clip(node: Node) -> list[Tensor]:
    for bound in node.inputs[1:]:
        if bound is not None and (bound.rows or bound.shape not in {(), (1,)}):
            raise node.refuse("computes its bounds")
    return _same(node)


def _dropout(node: Node) -> list[Tensor]:
    if node.outputs > 1 or len(node.inputs) > 2:
        raise node.refuse("is there for training")
    return _same(node)


def _arithmetic(node: Node) -> list[Tensor]:
    tensors = [node.numbers(index) for index in range(len(node.inputs))]
    shape, rows = broadcast(node, tensors)
    kind: Kind = "float" if any(tensor.kind == "float" for tensor in tensors) else tensors[0].kind
    return [Tensor(kind, shape, rows)]


def _divide(node: Node) -> list[Tensor]:
    (made,) = _arithmetic(node)
    divisor = node.numbers(1).value
    if made.kind != "float" and (
        divisor is None or bool((divisor == 0).any()) or bool((divisor == -1).any())
    ):
        # The processor stops the whole process at a division of integers by zero.
        raise node.refuse("divides whole numbers by what may be zero")
    return [made]


def _compare(node: Node) -> list[Tensor]:
    shape, rows = broadcast(node, [node.numbers(0), node.numbers(1)])
    return [Tensor("boolean", shape, rows, labels=(False, True))]


def _equal(node: Node) -> list[Tensor]:
    left, right = node.input(0), node.input(1)
    if "text" in {left.kind, right.kind} and left.rows and right.rows:
        # Texts that the file does not know all look alike to a compiled model.
        raise node.refuse("compares texts with one another, not with constants")
    shape, rows = broadcast(node, [left, right])
    return [Tensor("boolean", shape, rows, labels=(False, True))]


def _where(node: Node) -> list[Tensor]:
    chosen, left, right = node.numbers(0), node.input(1), node.input(2)
    shape, rows = broadcast(node, [chosen, left, right])
    labels = None
    if left.labels is not None and right.labels is not None:
        labels = tuple(dict.fromkeys((*left.labels, *right.labels)))
    return [Tensor(left.kind, shape, rows, labels=labels)]


def _matmul(node: Node) -> list[Tensor]:
    left, right = node.numbers(0), node.numbers(1)
    if right.rows or len(right.shape) != 2 or left.rank < 2 or not left.shape:
        raise node.refuse("multiplies other than rows with a constant matrix")
    if left.shape[-1] != right.shape[0]:
        raise node.refuse("is given shapes that do not fit")
    made = Tensor(left.kind, (*left.shape[:-1], right.shape[1]), left.rows)
    node.work = made.cells * right.shape[0]
    return [made]


def _gemm(node: Node) -> list[Tensor]:
    left, right = node.numbers(0), node.numbers(1)
    if node.attribute("transA", int, 0) or right.rows or left.rank != 2 or len(right.shape) != 2:
        raise node.refuse("multiplies other than rows with a constant matrix")
    inner, width = right.shape[::-1] if node.attribute("transB", int, 0) else right.shape
    if left.shape[-1] != inner:
        raise node.refuse("is given shapes that do not fit")
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        start = node.numbers(2)
        if start.rows or start.shape not in {(), (1,), (width,), (1, 1), (1, width)}:
            raise node.refuse("adds other than one row of constants")
    made = Tensor(left.kind, (*left.shape[:-1], width), left.rows)
    node.work = made.cells * inner
    return [made]


def _reduce(node: Node) -> list[Tensor]:
    tensor = node.numbers()
    axes = node.integers(1, "axes")
    if not axes:
        if node.attribute("noop_with_empty_axes", int, 0):
            return [tensor.made(labels=None)]
        axes = list(range(tensor.rank))
    gone = {node.axis(tensor, axis) for axis in axes}
    keep = node.attribute("keepdims", int, 1)
    return [Tensor(tensor.kind, _reduced(tensor.shape, gone, keep=bool(keep)), tensor.rows)]


def _reduced(shape: Shape, gone: set[int], *, keep: bool) -> Shape:
    sizes = (1 if at in gone else size for at, size in enumerate(shape))
    return tuple(size for at, size in enumerate(sizes) if keep or at not in gone)


def _arg_extreme(node: Node) -> list[Tensor]:
    tensor = node.numbers()
    axis = node.axis(tensor, node.attribute("axis", int, 0))
    if not tensor.shape or tensor.shape[axis] < 1:
        raise node.refuse("chooses among nothing")
    shape = _reduced(tensor.shape, {axis}, keep=bool(node.attribute("keepdims", int, 1)))
    return [Tensor("integer", shape, tensor.rows, labels=tuple(range(tensor.shape[axis])))]


def _along(node: Node) -> list[Tensor]:
    tensor = node.numbers()
    node.axis(tensor, node.attribute("axis", int, 1 if node.opset < 13 else -1))
    return [tensor.made(labels=None)]


def _cumulate(node: Node) -> list[Tensor]:
    tensor = node.numbers()
    axes = node.integers(1, "axis")
    if axes is None or len(axes) != 1:
        raise node.refuse("lacks its axis")
    node.axis(tensor, axes[0])
    return [tensor.made(labels=None)]


def _top(node: Node) -> list[Tensor]:
    tensor = node.numbers()
    counts = node.integers(1, "k")
    axis = node.axis(tensor, node.attribute("axis", int, -1))
    if counts is None or len(counts) != 1 or not 0 < counts[0] <= tensor.shape[axis]:
        raise node.refuse("takes more than there are")
    shape = (*tensor.shape[:axis], counts[0], *tensor.shape[axis + 1 :])
    where = Tensor("integer", shape, tensor.rows, labels=tuple(range(tensor.shape[axis])))
    return [Tensor(tensor.kind, shape, tensor.rows), where][: max(node.outputs, 1)]


def _concat(node: Node) -> list[Tensor]:
    tensors = node.given()
    first = tensors[0]
    if any(tensor.rows != first.rows for tensor in tensors):
        raise node.refuse("puts rows beside a constant")
    if any((tensor.kind == "text") != (first.kind == "text") for tensor in tensors):
        raise node.refuse("puts texts beside numbers")
    axis = node.axis(first, node.attribute("axis", int, 0))
    others = {(*tensor.shape[:axis], *tensor.shape[axis + 1 :]) for tensor in tensors}
    if len(others) != 1 or any(len(tensor.shape) != len(first.shape) for tensor in tensors):
        raise node.refuse("is given shapes that do not fit")
    width = sum(tensor.shape[axis] for tensor in tensors)
    return [first.made(shape=_with(first.shape, axis, width), labels=None)]


def _split(node: Node) -> list[Tensor]:
    tensor = node.input(0)
    axis = node.axis(tensor, node.attribute("axis", int, 0))
    sizes = node.integers(1, "split")
    if sizes is None:
        width, rest = divmod(tensor.shape[axis], node.outputs)
        if rest:
            raise node.refuse("splits into unequal parts")
        sizes = [width] * node.outputs
    if len(sizes) != node.outputs or min(sizes) < 0 or sum(sizes) != tensor.shape[axis]:
        raise node.refuse("splits into parts that do not fit")
    return [tensor.made(shape=_with(tensor.shape, axis, size)) for size in sizes]


def _slice(node: Node) -> list[Tensor]:
    tensor = node.input(0)
    starts, ends = node.integers(1, "starts"), node.integers(2, "ends")
    if starts is None or ends is None:
        raise node.refuse("lacks its starts or ends")
    axes = node.integers(3, "axes") or list(range(len(starts)))
    steps = node.integers(4, "steps") or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise node.refuse("has starts, ends, axes and steps that do not fit")
    shape = tensor.shape
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        at = node.axis(tensor, axis)
        # ONNX writes "from the very end" as the least number there is.
        stop = None if step < 0 and end <= _INT64_MIN + 1 else end
        shape = _with(shape, at, len(range(tensor.shape[at])[start:stop:step]))
    return [tensor.made(shape=shape)]


def _gather(node: Node) -> list[Tensor]:
    tensor, where = node.input(0), node.numbers(1)
    axis = node.axis(tensor, node.attribute("axis", int, 0))
    if not tensor.shape:
        raise node.refuse("takes from a single number")
    inside(node, where, tensor.shape[axis])
    if tensor.rows and where.rows:
        raise node.refuse("mixes one row with another")
    if where.rows and axis:
        raise node.refuse("takes from other than the first axis")
    shape = (*tensor.shape[:axis], *where.shape, *tensor.shape[axis + 1 :])
    return [tensor.made(shape=shape, rows=tensor.rows or where.rows)]


def inside(node: Node, where: Tensor, size: int) -> None:
    """Raises ArtifactRefused unless the positions ``where`` are known and below ``size``."""
    known = where.labels
    if where.value is not None:
        known = tuple(where.value.ravel().tolist())
    if where.kind != "integer" or known is None:
        raise node.refuse("takes from positions that are computed")
    if any(not -size <= int(place) < size for place in known):
        raise node.refuse(f"takes from a position beyond the {size} there are")


def _reshape(node: Node) -> list[Tensor]:
    tensor = node.inputs[0] if node.inputs else None
    target = node.integers(1, "shape")
    if tensor is None or target is None:
        raise node.refuse("lacks its shape")
    if node.attribute("allowzero", int, 0):
        raise node.refuse("has 'allowzero', which is not taken")
    if not tensor.rows:
        shape = _filled(node, [*target], tensor.shape, tensor.cells)
        return [tensor.made(shape=shape)]
    # Rows stay rows: the first length is left open, the others hold what a row holds.
    if not target or target[0] not in ({-1} if tensor.turned else {-1, 0}):
        raise node.refuse("cuts rows otherwise than they are")
    shape = _filled(node, target[1:], tensor.shape, tensor.cells)
    if target[0] == -1 and -1 in target[1:]:
        raise node.refuse("leaves two lengths open")
    return [tensor.made(shape=shape, turned=False)]


def _filled(node: Node, target: list[int], own: Shape, cells: int) -> Shape:
    sizes = [own[at] if size == 0 and at < len(own) else size for at, size in enumerate(target)]
    if -1 in sizes:
        rest = -prod(sizes)
        sizes[sizes.index(-1)] = cells // rest if rest > 0 else -1
    if any(size < 0 for size in sizes) or prod(sizes) != cells:
        raise node.refuse("cuts rows otherwise than they are")
    return tuple(sizes)


def _flatten(node: Node) -> list[Tensor]:
    tensor = node.input(0)
    if not tensor.rows or node.attribute("axis", int, 1) != 1:
        raise node.refuse("mixes one row with another")
    return [tensor.made(shape=(tensor.cells,))]


def _squeeze(node: Node) -> list[Tensor]:
    tensor = node.input(0)
    axes = node.integers(1, "axes")
    if axes is None:
        raise node.refuse("lacks its axes")
    gone = {node.axis(tensor, axis) for axis in axes}
    if any(tensor.shape[at] != 1 for at in gone):
        raise node.refuse("drops an axis of more than one place")
    return [tensor.made(shape=_reduced(tensor.shape, gone, keep=False))]


def _unsqueeze(node: Node) -> list[Tensor]:
    tensor = node.input(0)
    axes = node.integers(1, "axes")
    if not axes or len(set(axes)) != len(axes):
        raise node.refuse("lacks its axes")
    rank = tensor.rank + len(axes)
    places = {axis + rank if axis < 0 else axis for axis in axes}
    if len(places) != len(axes) or not all(tensor.rows <= at < rank for at in places):
        raise node.refuse("mixes one row with another")
    old = iter(tensor.shape)
    shape = tuple(1 if at in places else next(old) for at in range(int(tensor.rows), rank))
    return [tensor.made(shape=shape)]


def _transpose(node: Node) -> list[Tensor]:
    tensor = node.input(0)
    order = node.attribute("perm", list, list(range(tensor.rank))[::-1])
    if sorted(order) != list(range(tensor.rank)) or (tensor.rows and order[0] != 0):
        raise node.refuse("mixes one row with another")
    places = [at - tensor.rows for at in order[int(tensor.rows) :]]
    return [tensor.made(shape=tuple(tensor.shape[at] for at in places))]


def _normalize(node: Node) -> list[Tensor]:
    tensor = node.numbers()
    if node.outputs > 1 or not tensor.rows or node.attribute("training_mode", int, 0):
        raise node.refuse("is there for training")
    for index in range(1, len(node.inputs)):
        if node.numbers(index).rows or node.numbers(index).shape != tensor.shape[:1]:
            raise node.refuse("is given shapes that do not fit")
    if len(tensor.shape) != 1:
        raise node.refuse("is given more than rows of numbers")
    return [tensor.made(labels=None)]


def _constant(node: Node) -> list[Tensor]:
    if len(node.attributes) != 1:
        raise node.refuse("has no one value")
    ((name, value),) = node.attributes.items()
    if name == "value" and isinstance(value, np.ndarray):
        return [constant(value)]
    if name not in {"value_float", "value_floats", "value_int", "value_ints", "value_string"}:
        raise node.refuse("has a value of a type that is not taken")
    return [constant(np.array(value, dtype=object if isinstance(value, str) else None))]


def _with(shape: Shape, axis: int, size: int) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])


_UNARY = (
    *("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Celu", "Cos", "Cosh"),
    *("Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Log"),
    *("Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin"),
    *("Sinh", "Softplus", "Softsign", "Sqrt", "Tan", "Tanh", "ThresholdedRelu"),
)
_REDUCTIONS = (
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean"),
    *("ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"),
)
OPERATORS: dict[str, Rule] = {
    **dict.fromkeys(_UNARY, _same),
    **dict.fromkeys(("IsInf", "IsNaN"), _question),
    **dict.fromkeys(
        ("Add", "Max", "Mean", "Min", "Mul", "PRelu", "Pow", "Sub", "Sum"), _arithmetic
    ),
    **dict.fromkeys(
        ("And", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Or", "Xor"), _compare
    ),
    **dict.fromkeys(_REDUCTIONS, _reduce),
    **dict.fromkeys(("ArgMax", "ArgMin"), _arg_extreme),
    **dict.fromkeys(("LogSoftmax", "Softmax"), _along),
    **dict.fromkeys(("BatchNormalization", "LayerNormalization"), _normalize),
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Constant": _constant,
    "CumSum": _cumulate,
    "Div": _divide,
    "Dropout": _dropout,
    "Equal": _equal,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "Identity": _identity,
    "MatMul": _matmul,
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "TopK": _top,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}
