"""The operators of the domain ``ai.onnx.ml`` that are taken, each with the rule of what it makes.

Their attributes are lists whose lengths ONNX Runtime does not always compare: they are compared
here. Support vectors are left out, because nothing checks their counts.
"""

from typing import Any

import numpy as np

from registry.intake.onnx_upload.operators import Rule, inside
from registry.intake.onnx_upload.tensors import Kind, Node, Tensor
from registry.intake.onnx_upload.trees import check_classic, check_split
from registry.signature import Label

_LABELLED = 2
"""LabelEncoder took its texts otherwise before this release of the domain."""


def _scaled(node: Node) -> list[Tensor]:
    tensor = _rows(node)
    for name in ("offset", "scale", "imputed_value_floats", "imputed_value_int64s"):
        values = node.attributes.get(name)
        if values is not None and len(values) not in {1, tensor.shape[-1]}:
            raise node.refuse(f"has a '{name}' that does not fit its {tensor.shape[-1]} columns")
    kind: Kind = tensor.kind if node.operator in {"Binarizer", "Imputer"} else "float"
    return [tensor.made(kind=kind, labels=None)]


def _linear_regressor(node: Node) -> list[Tensor]:
    tensor = _rows(node)
    targets = node.attribute("targets", int, 1)
    _check_weights(node, tensor.shape[0], targets)
    node.work = tensor.shape[0] * targets
    return [Tensor("float", (targets,), rows=True)]


def _linear_classifier(node: Node) -> list[Tensor]:
    tensor = _rows(node)
    classes = _classes(node)
    weights = len(node.attributes.get("coefficients", []))
    vectors = weights // tensor.shape[0]
    if vectors != len(classes) and (vectors, len(classes)) != (1, 2):
        raise node.refuse(f"has {vectors} rows of weights for {len(classes)} classes")
    _check_weights(node, tensor.shape[0], vectors)
    node.work = weights
    return _classified(node, classes)


def _check_weights(node: Node, width: int, vectors: int) -> None:
    weights = node.attributes.get("coefficients", [])
    starts = node.attributes.get("intercepts", [])
    if vectors < 1 or len(weights) != width * vectors or len(starts) not in {0, vectors}:
        raise node.refuse(f"has weights that do not fit its {width} columns")


def _trees_regressor(node: Node) -> list[Tensor]:
    targets = node.attribute("n_targets", int, 1)
    node.work = check_classic(node, _width(node), targets, "target")
    return [Tensor("float", (targets,), rows=True)]


def _trees_classifier(node: Node) -> list[Tensor]:
    classes = _classes(node)
    node.work = check_classic(node, _width(node), len(classes), "class")
    return _classified(node, classes)


def _trees(node: Node) -> list[Tensor]:
    targets = node.attribute("n_targets", int, 1)
    node.work = check_split(node, _width(node), targets)
    return [Tensor("float", (targets,), rows=True)]


def _classes(node: Node) -> tuple[Label, ...]:
    named = [
        node.attributes[name]
        for name in ("classlabels_ints", "classlabels_int64s", "classlabels_strings")
        if node.attributes.get(name)
    ]
    if len(named) != 1 or len(set(named[0])) != len(named[0]) or len(named[0]) < 2:
        raise node.refuse("does not name its classes, each once")
    return tuple(named[0])


def _classified(node: Node, classes: tuple[Label, ...]) -> list[Tensor]:
    kind: Kind = "text" if isinstance(classes[0], str) else "integer"
    label = Tensor(kind, (), rows=True, labels=classes)
    return [label, Tensor("float", (len(classes),), rows=True)][: max(node.outputs, 1)]


def _one_hot(node: Node) -> list[Tensor]:
    tensor = node.input(0)
    name = "cats_strings" if tensor.kind == "text" else "cats_int64s"
    categories = node.attributes.get(name)
    if not categories:
        raise node.refuse(f"lacks '{name}', or is given another type")
    return [Tensor("float", (*tensor.shape, len(categories)), tensor.rows)]


def _encode_labels(node: Node) -> list[Tensor]:
    if node.opset < _LABELLED:
        raise node.refuse("is that of ai.onnx.ml 1: export with 2 or later")
    tensor = node.input(0)
    keys, values = (_column(node, name) for name in ("keys", "values"))
    if len(keys) != len(values) or (tensor.kind == "text") != isinstance(keys[0], str):
        raise node.refuse("has keys and values that do not fit")
    kind: Kind = "float"
    default: Label = -0.0
    if isinstance(values[0], str):
        kind, default = "text", "_Unused"
    elif type(values[0]) is int:
        kind, default = "integer", -1
    given = [node.attributes[name] for name in node.attributes if name.startswith("default_")]
    for value in given:
        default = value.ravel().tolist()[0] if isinstance(value, np.ndarray) else value
    labels = None
    if kind != "float":
        # The last of two equal keys may be the one that counts: either value may come out.
        reached = set(keys if tensor.labels is None else tensor.labels)
        known = [value for key, value in zip(keys, values, strict=True) if key in reached]
        more = [] if tensor.labels is not None and reached <= set(keys) else [default]
        labels = tuple(dict.fromkeys([*known, *more]))
    return [tensor.made(kind=kind, labels=labels)]


def _column(node: Node, name: str) -> list[Any]:
    found = [node.attributes[key] for key in node.attributes if key.startswith(f"{name}_")]
    if len(found) != 1 or not len(found[0]):
        raise node.refuse(f"does not give its {name} once")
    column = found[0]
    return column.ravel().tolist() if isinstance(column, np.ndarray) else list(column)


def _extract(node: Node) -> list[Tensor]:
    tensor, where = node.input(0), node.numbers(1)
    if not tensor.shape:
        raise node.refuse("takes from a single number")
    inside(node, where, tensor.shape[-1])
    if where.labels is not None and any(isinstance(at, int) and at < 0 for at in where.labels):
        raise node.refuse("takes from a position before the first")
    if not where.rows:
        return [tensor.made(shape=(*tensor.shape[:-1], where.cells), labels=None)]
    if tensor.rows or len(tensor.shape) != 1 or where.cells != 1:
        raise node.refuse("mixes one row with another")
    return [tensor.made(shape=(), rows=True, turned=True)]


def _width(node: Node) -> int:
    return _rows(node).shape[0]


def _rows(node: Node) -> Tensor:
    tensor = node.numbers()
    if not tensor.rows or len(tensor.shape) != 1:
        raise node.refuse("takes rows of numbers, and is given another shape")
    return tensor


ML_OPERATORS: dict[str, Rule] = {
    "ArrayFeatureExtractor": _extract,
    "Binarizer": _scaled,
    "Imputer": _scaled,
    "LabelEncoder": _encode_labels,
    "LinearClassifier": _linear_classifier,
    "LinearRegressor": _linear_regressor,
    "Normalizer": _scaled,
    "OneHotEncoder": _one_hot,
    "Scaler": _scaled,
    "TreeEnsemble": _trees,
    "TreeEnsembleClassifier": _trees_classifier,
    "TreeEnsembleRegressor": _trees_regressor,
}
