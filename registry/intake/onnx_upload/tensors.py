"""What is known of a tensor before anything runs: its size for a row, its kind, its values.

Every tensor of an accepted graph is either fixed, or one row after another of a fixed size: the
memory and the time that a row takes are then known from the file alone, whatever is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from registry.errors import ArtifactRefused, shown
from registry.signature import Label

Kind = Literal["float", "integer", "boolean", "text"]
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tensor:
    """``shape`` is that of one row where ``rows`` says that there is one for each, else of all.

    ``value`` is what a constant holds. ``labels`` are all values that may occur, where that is
    known. ``turned``: its rows stand side by side, shape 1 x rows, as ArrayFeatureExtractor leaves
    them.
    """

    kind: Kind
    shape: Shape
    rows: bool = False
    value: NDArray[Any] | None = None
    labels: tuple[Label, ...] | None = None
    turned: bool = False

    @property
    def cells(self) -> int:
        return prod(self.shape)

    @property
    def rank(self) -> int:
        return len(self.shape) + self.rows

    def made(self, **changes: Any) -> "Tensor":
        """A tensor like this one that a node has made: it is no constant any more."""
        return replace(self, **{"value": None, **changes})


def constant(array: NDArray[Any]) -> Tensor:
    """The tensor of a constant. Its values are the only ones that it can have."""
    kinds: dict[str, Kind] = {"f": "float", "i": "integer", "u": "integer", "b": "boolean"}
    kind = kinds.get(array.dtype.kind, "text")
    labels = tuple(dict.fromkeys(array.ravel().tolist())) if array.ndim == 1 else None
    return Tensor(kind, array.shape, value=array, labels=labels)


class Node:
    """One node as the rules see it: its operator, its inputs, its attributes as plain values.

    A rule sets ``work``, the multiplications or steps that it takes beside writing its outputs.
    """

    def __init__(
        self,
        operator: str,
        inputs: Sequence[Tensor | None],
        attributes: dict[str, Any],
        outputs: int,
        opset: int,
    ) -> None:
        self.operator = operator
        self.inputs = inputs
        self.attributes = attributes
        self.outputs = outputs
        self.opset = opset
        self.work = 0

    def refuse(self, why: str) -> ArtifactRefused:
        return ArtifactRefused(f"The ONNX operator {shown(self.operator)} {why}.")

    def input(self, index: int) -> Tensor:
        """The input at ``index``. Raises ArtifactRefused where it is missing or lies turned."""
        tensor = self.inputs[index] if index < len(self.inputs) else None
        if tensor is None:
            raise self.refuse(f"lacks its input {index}")
        if tensor.turned:
            raise self.refuse("takes rows that stand side by side")
        return tensor

    def numbers(self, index: int = 0) -> Tensor:
        tensor = self.input(index)
        if tensor.kind == "text":
            raise self.refuse("takes texts, which is not allowed")
        return tensor

    def given(self) -> list[Tensor]:
        """All inputs, none of them left out."""
        return [self.input(index) for index in range(len(self.inputs))]

    def integers(self, index: int, attribute: str) -> list[int] | None:
        """Whole numbers given as an attribute or, later, as a constant input; None: neither."""
        if attribute in self.attributes:
            value = self.attributes[attribute]
            return list(value) if isinstance(value, list) else [value]
        if index >= len(self.inputs) or self.inputs[index] is None:
            return None
        value = self.input(index).value
        if value is None or value.dtype.kind not in "iu" or value.ndim > 1:
            raise self.refuse(f"computes its '{attribute}': only constants are taken there")
        return [int(item) for item in value.ravel()]

    def axis(self, tensor: Tensor, axis: int) -> int:
        """``axis`` as a position in ``tensor.shape``: never that of the rows."""
        whole = axis + tensor.rank if axis < 0 else axis
        if not 0 <= whole < max(tensor.rank, 1):
            raise self.refuse(f"has an axis {axis} out of range")
        if tensor.rows and whole == 0:
            raise self.refuse("mixes one row with another")
        return whole - tensor.rows

    def attribute(self, name: str, kind: type, default: Any) -> Any:
        value = self.attributes.get(name, default)
        if value is not default and type(value) is not kind:
            raise self.refuse(f"has a '{name}' of another type")
        return value


def broadcast(node: Node, tensors: Sequence[Tensor]) -> tuple[Shape, bool]:
    """The common shape, by the rules of numpy; rows meet rows only at the same place."""
    rows = any(tensor.rows for tensor in tensors)
    if not rows:
        return _common(node, [tensor.shape for tensor in tensors]), False
    rank = max(tensor.rank for tensor in tensors)
    shapes = []
    for tensor in tensors:
        if tensor.rows and tensor.rank != rank:
            raise node.refuse("mixes one row with another")
        shape = tensor.shape
        if not tensor.rows and tensor.rank == rank:
            if shape[0] != 1:
                raise node.refuse("mixes rows with a constant of several rows")
            shape = shape[1:]
        shapes.append(shape)
    return _common(node, shapes), True


def _common(node: Node, shapes: Sequence[Shape]) -> Shape:
    try:
        return tuple(np.broadcast_shapes(*shapes))
    except ValueError as error:
        raise node.refuse("is given shapes that do not fit") from error
