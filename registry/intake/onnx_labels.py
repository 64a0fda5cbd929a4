"""The labels that an ONNX graph can return, read from its last operators. Intake's child only.

A classifier of ``ai.onnx.ml`` and ZipMap name their classes; other exports select the label from a
constant, encode it, or compute it: detectors of outliers from a comparison or a sign, clusters by
ArgMin. In all other cases the uploader has to declare them.
"""

import operator
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from onnx import TensorProto, helper, numpy_helper

from registry.errors import shown
from registry.intake.onnx_file import Message
from registry.signature import Label

_CLASSES = ("classlabels_int64s", "classlabels_ints", "classlabels_strings")
_ENCODED = ("values_int64s", "values_strings", "values_tensor")
_KEEP = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
"""Operators that change the shape of labels, but not their values."""
_CHOOSE = frozenset({"ArrayFeatureExtractor", "Gather"})
_POSITIONS = frozenset({"ArgMax", "ArgMin"})
_COMPARE = frozenset(
    {
        *("And", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual"),
        *("Not", "Or", "Xor"),
    }
)
_INTEGERS = frozenset(
    {
        *(TensorProto.INT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64),
        *(TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64),
    }
)
_MOST_STEPS = 100
_MOST_COMPUTED = 1000
_LARGEST_COMPUTED = 2**53

Labels = tuple[Label, ...]


class GraphLabels:
    """Finds labels in ``graph``. ``scores``: how many each row has in the second output.

    ``computed``: the graph computes some of them instead of naming them, so that it may never
    return one of them.
    """

    def __init__(self, graph: Message, scores: int | None) -> None:
        self._nodes = {name: node for node in graph.node for name in node.output}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._scores = scores
        self._steps = 0
        self._unknown: Message | None = None
        self.computed = False

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
        labels = self._made(node)
        if labels is None and self._unknown is None:
            self._unknown = node
        return labels

    def unknown_node(self) -> str | None:
        """The first node whose labels could not be found: its operator and name."""
        node = self._unknown
        return None if node is None else f"{shown(node.op_type)} (node {shown(node.name)})"

    def _made(self, node: Message) -> Labels | None:
        kind = node.op_type
        self.computed |= kind in _ANY or kind in _COMPUTE or kind == "ArgMin"
        if kind == "Constant":
            return _distinct(_listed(node.attribute[0])) if len(node.attribute) == 1 else None
        if kind in _POSITIONS and self._scores is not None:
            return tuple(range(self._scores))
        if kind in _ANY:
            return _ANY[kind]
        operands, combine = _STEPS.get(kind, (_NONE, _any_of))
        found = [self.of(name) for name in node.input[operands]]
        parts = [part for part in found if part is not None]
        return combine(node, parts) if parts and len(parts) == len(found) else None


def _any_of(_: Message, parts: list[Labels]) -> Labels | None:
    return _distinct([label for part in parts for label in part])


def _cast(node: Message, parts: list[Labels]) -> Labels | None:
    """A Cast to integers makes numbers of true and false."""
    if not any(each.name == "to" and each.i in _INTEGERS for each in node.attribute):
        return parts[0]
    return _distinct([int(each) if isinstance(each, bool) else each for each in parts[0]])


def _of_several(node: Message, parts: list[Labels]) -> Labels | None:
    """The labels of several classifiers, in ascending order."""
    labels = _any_of(node, parts)
    return labels and tuple(sorted(labels, key=lambda label: (isinstance(label, str), label)))


def _computed(node: Message, parts: list[Labels]) -> Labels | None:
    """All results for whole numbers; None where there are too many."""
    left, right = parts
    whole = all(type(label) is int for label in left + right)
    if not whole or len(left) * len(right) > _MOST_COMPUTED:
        return None
    results = {_COMPUTE[node.op_type](one, other) for one, other in product(left, right)}
    return None if max(map(abs, results)) > _LARGEST_COMPUTED else tuple(sorted(results))


_COMPUTE: Mapping[str, Callable[[Any, Any], int]] = {
    "Add": operator.add,
    "Mul": operator.mul,
    "Sub": operator.sub,
}
_ANY: Mapping[str, Labels] = {**dict.fromkeys(_COMPARE, (False, True)), "Sign": (-1, 0, 1)}
"""Operators whose results are the same for all operands."""
_NONE, _FIRST, _ALL = slice(0), slice(1), slice(None)
_STEPS: Mapping[str, tuple[slice, Callable[[Message, list[Labels]], Labels | None]]] = {
    **dict.fromkeys(_KEEP | _CHOOSE, (_FIRST, _any_of)),
    **dict.fromkeys(_COMPUTE, (_ALL, _computed)),
    "Cast": (_FIRST, _cast),
    "Concat": (_ALL, _of_several),
    "Where": (slice(1, 3), _any_of),
}
"""The operands that are labels, and what becomes of them."""


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
