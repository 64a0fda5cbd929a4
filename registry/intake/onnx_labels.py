"""The labels that an ONNX graph can return, read from its last operators. Intake's child only.

A classifier of ``ai.onnx.ml`` and ZipMap name their classes; other exports select the label from a
constant, or encode it. In all other cases the uploader has to declare them.
"""

from typing import Any

from onnx import helper, numpy_helper

from registry.intake.onnx_file import Message
from registry.signature import Label

_CLASSES = ("classlabels_int64s", "classlabels_ints", "classlabels_strings")
_ENCODED = ("values_int64s", "values_strings", "values_tensor")
_KEEP = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
"""Operators that change the shape or type of labels, but not their values."""
_CHOOSE = frozenset({"ArrayFeatureExtractor", "Gather"})
_MOST_STEPS = 100

Labels = tuple[Label, ...]


class GraphLabels:
    """Finds labels in ``graph``. ``scores``: how many each row has in the second output."""

    def __init__(self, graph: Message, scores: int | None) -> None:
        self._nodes = {name: node for node in graph.node for name in node.output}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._scores = scores
        self._steps = 0

    def of(self, name: str) -> Labels | None:
        """The labels that the tensor ``name`` can contain, in their order; None: unknown."""
        self._steps += 1
        if self._steps > _MOST_STEPS:
            return None
        if name in self._constants:
            return _distinct(numpy_helper.to_array(self._constants[name]).ravel().tolist())
        node = self._nodes.get(name)
        if node is None:
            return None
        attributes = {each.name: each for each in node.attribute}
        for known in (*_CLASSES, *_ENCODED):
            if known in attributes:
                return _distinct(_listed(attributes[known]))
        return self._made(node)

    def _made(self, node: Message) -> Labels | None:
        if node.op_type == "Constant":
            return _distinct(_listed(node.attribute[0])) if len(node.attribute) == 1 else None
        if node.op_type in _KEEP | _CHOOSE:
            return self.of(node.input[0])
        if node.op_type == "ArgMax" and self._scores is not None:
            return tuple(range(self._scores))
        if node.op_type == "Where":
            left, right = self.of(node.input[1]), self.of(node.input[2])
            return None if left is None or right is None else _distinct([*left, *right])
        return None


def _listed(attribute: Message) -> list[Any]:
    value = helper.get_attribute_value(attribute)
    if isinstance(value, list):
        return [
            item.decode(errors="replace") if isinstance(item, bytes) else item for item in value
        ]
    return list(numpy_helper.to_array(value).ravel().tolist()) if hasattr(value, "dims") else []


def _distinct(values: list[Any]) -> Labels | None:
    """None where they are not labels."""
    if not values or not all(isinstance(value, str | int) for value in values):
        return None
    return tuple(dict.fromkeys(values))
