"""The inverse of the transformation of a target, as nodes of a graph."""

from collections.abc import Callable, Mapping
from typing import Any

from registry.intake.conversion.graph import Graph
from registry.intake.conversion.target import NotConvertible, require


def inverse_of(graph: Graph, transformer: Any, value: str) -> str:
    """``value`` (rows x 1) as the fitted ``transformer`` of a target transforms it back.

    Raises NotConvertible.
    """
    name = type(transformer).__name__
    if name == "StandardScaler":
        if transformer.scale_ is not None:
            value = graph.add("Mul", value, graph.row(transformer.scale_))
        if transformer.with_mean:
            value = graph.add("Add", value, graph.row(transformer.mean_))
        return value
    require(
        name == "FunctionTransformer",
        f"A target that a {name} transforms has no ONNX form here.",
    )
    function = transformer.inverse_func
    if function is None:
        return value
    inverse = _FUNCTIONS.get(function.__name__)
    if inverse is None:
        raise NotConvertible(f"numpy.{function.__name__} has no ONNX form here.")
    return inverse(graph, value)


def _exp2(graph: Graph, value: str) -> str:
    return graph.add("Pow", graph.constant(2.0), value)


_FUNCTIONS: Mapping[str, Callable[[Graph, str], str]] = {
    "absolute": lambda graph, value: graph.add("Abs", value),
    "exp": lambda graph, value: graph.add("Exp", value),
    "exp2": _exp2,
    "expm1": lambda graph, value: graph.add("Sub", graph.add("Exp", value), graph.constant(1.0)),
    "log": lambda graph, value: graph.add("Log", value),
    "log1p": lambda graph, value: graph.add("Log", graph.add("Add", value, graph.constant(1.0))),
    "negative": lambda graph, value: graph.add("Mul", value, graph.constant(-1.0)),
    "reciprocal": lambda graph, value: graph.add("Reciprocal", value),
    "sqrt": lambda graph, value: graph.add("Sqrt", value),
    "square": lambda graph, value: graph.add("Mul", value, value),
}
"""The functions of numpy that ONNX computes in double. Close to zero ``expm1`` and ``log1p`` are
more exact in numpy; the comparison of both forms decides whether that matters."""
