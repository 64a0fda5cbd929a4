"""Checks the bytes of a compiled ONNX model before any native code reads them.

They come from a process that an uploaded file may have taken over, and a C++ library that trusts
them reads them. So they are parsed here first, by the field numbers of onnx.proto. Allowed is a
plain graph of known operators, with every tensor inside the file and as large as it states; no
external data, no nested graph, no function, no loop, and only valid tree ensembles.
"""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from registry.intake.protobuf import (
    BYTES,
    Value,
    field,
    fields,
    run_of_floats,
    run_of_texts,
    run_of_varints,
    varints,
)
from registry.intake.tree_ensemble_check import check_tree_ensemble

ML = "ai.onnx.ml"
OPERATORS: Mapping[str, frozenset[str]] = {
    "": frozenset(
        {
            *("Abs", "Add", "And", "ArgMax", "Cast", "Clip", "Concat", "Div", "Equal", "Exp"),
            *("Floor", "Gather", "Gemm", "Greater", "Identity", "IsNaN", "LessOrEqual", "Log"),
            *("MatMul", "Mul", "Not", "Pow", "Reciprocal", "ReduceL1", "ReduceL2"),
            *("ReduceLogSumExp", "ReduceMax", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape"),
            *("Sigmoid", "Sign", "Sin", "Softmax", "Sqrt", "Sub", "Sum", "Tanh", "Transpose"),
            "Where",
        }
    ),
    ML: frozenset(
        {
            *("ArrayFeatureExtractor", "Binarizer", "TreeEnsemble", "TreeEnsembleClassifier"),
            "TreeEnsembleRegressor",
        }
    ),
}
"""The operators that ``registry.intake.conversion`` and skl2onnx write."""
_TREE_ENSEMBLES = frozenset({"TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor"})
_MODES = (
    b"LEAF",
    b"BRANCH_LEQ",
    b"BRANCH_LT",
    b"BRANCH_GTE",
    b"BRANCH_GT",
    b"BRANCH_EQ",
    b"BRANCH_NEQ",
)
LEAF = _MODES.index(b"LEAF")
"""The index of the mode LEAF. The modes are the only texts in lists, read as their indices."""

_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TENSOR = (
    frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14}),
    frozenset({1, 2, 5, 10, 11, 12, 13}),
    frozenset({1, 2, 3, 4, 5, 6, 7}),
    frozenset({1, 2, 3, 4, 5, 7, 8, 9, 13, 20}),
    frozenset({1, 2, 4, 5, 7, 8, 9, 10, 12}),
)
"""The fields that each message may have: those that a plain graph needs."""
_SIZES = {1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 11: 8}
"""Bytes of an element by the number of its type: float, (u)int8, int32, int64, bool, double."""
_MAX_DIMENSIONS = 8
_RUNS: Mapping[int, Callable[[memoryview, int], tuple[Any, int]]] = {
    0x40: run_of_varints,
    0x3D: run_of_floats,
    0x4A: lambda message, at: run_of_texts(message, at, _MODES),
}
"""How the lists of an attribute are read, by the tags of fields 8, 7 and 9."""


def check_onnx(content: bytes | memoryview) -> None:
    """Raises ValueError naming what ``content`` may not contain, or why it is not ONNX."""
    graphs = []
    for number, kind, value in fields(memoryview(content)):
        _expect(number, _MODEL, "the model")
        if number == 7:
            graphs.append(_bytes(kind, value))
    if len(graphs) != 1:
        raise ValueError("the model does not have exactly one graph")
    for number, kind, value in fields(graphs[0]):
        _expect(number, _GRAPH, "the graph")
        if number == 1:
            _check_node(_bytes(kind, value))
        elif number == 5:
            _check_tensor(_bytes(kind, value))


def _check_node(message: memoryview) -> None:
    named: dict[int, str] = {4: "", 7: ""}
    attributes: dict[str, Any] = {}
    for number, kind, value in fields(message):
        _expect(number, _NODE, "a node")
        if number in named:
            named[number] = str(_bytes(kind, value), "utf-8")
        elif number == 5:
            name, given = _attribute(_bytes(kind, value))
            if name in attributes:
                raise ValueError(f"the attribute {name} occurs twice")
            attributes[name] = given
    if named[4] not in OPERATORS.get(named[7], ()):
        raise ValueError(f"the operator {named[7]}.{named[4]} is not allowed"[:200])
    if named[4] in _TREE_ENSEMBLES:
        check_tree_ensemble(named[4], attributes, leaf=LEAF)


def _attribute(message: memoryview) -> tuple[str, Any]:
    """The name of an attribute and its value; for a list of floats, their count."""
    name, at = "", 0
    held: list[Any] = []
    while at < len(message):
        if message[at] in _RUNS:
            values, at = _RUNS[message[at]](message, at)
            held.append(values)
            continue
        number, kind, value, at = field(message, at)
        _expect(number, _ATTRIBUTE, "an attribute")
        if number == 1:
            name = str(_bytes(kind, value), "utf-8")
        elif number == 5:
            _check_tensor(_bytes(kind, value))
            held.append(value)
        elif number == 8:
            held.append(varints(_bytes(kind, value)))
        elif number in {2, 3, 4}:
            held.append(value)
        elif number not in {13, 20}:
            raise ValueError(f"the attribute {name} has an unsupported encoding"[:200])
    if len(held) > 1:
        raise ValueError(f"the attribute {name} has more than one value"[:200])
    return name, held[0] if held else None


def _check_tensor(message: memoryview) -> None:
    """Raises ValueError where its data is not as large as it states, or outside the file."""
    dimensions: list[int] = []
    types: list[Value] = []
    data: list[tuple[int, memoryview]] = []
    for number, kind, value in fields(message):
        _expect(number, _TENSOR, "a tensor")
        if number == 1:
            dimensions += varints(value).tolist() if isinstance(value, memoryview) else [value]
        elif number == 2:
            types.append(value)
        elif number in {4, 5, 7, 9, 10}:
            data.append((number, _bytes(kind, value)))
    if len(dimensions) > _MAX_DIMENSIONS or any(not 0 <= each < 2**31 for each in dimensions):
        raise ValueError("a tensor has an invalid shape")
    found = _elements(types, data)
    if found != (count := prod(dimensions)):
        raise ValueError(f"a tensor has {found} elements and states {count}")


def _elements(types: list[Value], data: list[tuple[int, memoryview]]) -> float:
    """The number of elements."""
    size = _SIZES.get(types[0]) if len(types) == 1 and isinstance(types[0], int) else None
    if size is None or len(data) > 1:
        raise ValueError("a tensor has an unknown type")
    if not data:
        return 0
    number, content = data[0]
    if number in {5, 7}:  # int32_data, int64_data
        return len(varints(content))
    return len(content) / {4: 4, 10: 8}.get(number, size)  # floats, doubles, raw


def _expect(number: int, known: frozenset[int], what: str) -> None:
    if number not in known:
        raise ValueError(f"{what} has the field {number}, which is not allowed")


def _bytes(kind: int, value: Value) -> memoryview:
    if kind != BYTES or not isinstance(value, memoryview):
        raise ValueError("a field has the wrong wire type")
    return value
