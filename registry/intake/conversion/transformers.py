"""Preprocessing steps as nodes of a graph, in scikit-learn's own order of operations.

Each converter takes the fitted step and the block of columns it sees, and gives the block it makes.
"""

from collections.abc import Callable, Mapping
from math import inf, isnan, nextafter
from typing import Any

import numpy as np

from registry.intake.conversion.foreign import convert_transformer
from registry.intake.conversion.graph import Block, Graph, NotConvertible, Vocabulary, require
from registry.intake.signatures import chosen_columns

_NEVER = -2.0
"""A code that no text has: the category ``None`` equals nothing that a request can hold."""


def transform(graph: Graph, step: Any, block: Block) -> Block:
    """What ``step`` makes of ``block``. Raises NotConvertible."""
    if step is None or isinstance(step, str):
        require(step in {None, "passthrough", "drop"}, f"A step is {step!r}.")
        return block.choose([]) if step == "drop" else block
    converter = _CONVERTERS.get(type(step).__name__)
    if converter is not None:
        return converter(graph, step, block)
    _require_numbers(step, block)
    return convert_transformer(graph, step, block)


def _pipeline(graph: Graph, step: Any, block: Block) -> Block:
    for _, inner in step.steps:
        block = transform(graph, inner, block)
    return block


def _columns(graph: Graph, step: Any, block: Block) -> Block:
    made = []
    for name, inner, chosen in step.transformers_:
        picked = block.choose(chosen_columns(step, chosen, list(range(len(block)))))
        if not len(picked):
            continue
        require(
            step.transformer_weights is None or name not in step.transformer_weights,
            "A ColumnTransformer with weights has no ONNX form here.",
        )
        made.append(transform(graph, inner, picked))
    return graph.concat(made)


def _union(graph: Graph, step: Any, block: Block) -> Block:
    require(not step.transformer_weights, "A FeatureUnion with weights has no ONNX form here.")
    return graph.concat([transform(graph, inner, block) for _, inner in step.transformer_list])


def _identity(_: Graph, step: Any, block: Block) -> Block:
    require(
        step.func is None and step.inverse_func is None,
        "A FunctionTransformer that calls a function has no ONNX form.",
    )
    return block


def _imputer(graph: Graph, step: Any, block: Block) -> Block:
    require(
        isinstance(step.missing_values, float) and isnan(step.missing_values),
        f"A SimpleImputer that fills {step.missing_values!r} has no ONNX form here.",
    )
    fills = [_code(value, text) for value, text in zip(step.statistics_, block.texts, strict=True)]
    require(
        not any(isnan(fill) for fill in fills),
        "A SimpleImputer that saw a column without values has no ONNX form here.",
    )
    tensor = graph.tensor(block)
    missing = graph.add("IsNaN", tensor)
    filled = graph.add("Where", missing, graph.row(fills), tensor)
    made = Block(filled, tuple(range(len(block))), len(block), block.texts)
    if step.indicator_ is None:
        return made
    features = [int(feature) for feature in step.indicator_.features_]
    marks = Block.numbers(graph.double(missing), len(block)).choose(features)
    return graph.concat([made, marks])


def _standard_scaler(graph: Graph, step: Any, block: Block) -> Block:
    _require_numbers(step, block)
    tensor = graph.tensor(block)
    if step.with_mean:
        tensor = graph.add("Sub", tensor, graph.row(step.mean_))
    if step.scale_ is not None:
        # Divided, as scikit-learn does: times the reciprocal differs in the last digit.
        tensor = graph.add("Div", tensor, graph.row(step.scale_))
    return Block.numbers(tensor, len(block))


def _one_hot(graph: Graph, step: Any, block: Block) -> Block:
    require(
        step.handle_unknown in {"ignore", "infrequent_if_exist"},
        f"OneHotEncoder(handle_unknown={step.handle_unknown!r}) refuses categories that it has not "
        "seen, which ONNX cannot: fit it with 'ignore'.",
    )
    require(
        not getattr(step, "_infrequent_enabled", False),
        "A OneHotEncoder that puts rare categories together has no ONNX form here.",
    )
    drops = [None] * len(block) if step.drop_idx_ is None else list(step.drop_idx_)
    positions: list[int] = []
    codes: list[float] = []
    for column, (categories, text) in enumerate(zip(step.categories_, block.texts, strict=True)):
        for index, category in enumerate(categories):
            if index != drops[column]:
                positions.append(column)
                codes.append(_code(category, text))
    return Block.numbers(_equal(graph, block.choose(positions), codes), len(codes))


def _equal(graph: Graph, block: Block, codes: list[float]) -> str:
    """1.0 where a value of ``block`` is its column's code, else 0.0; NaN equals NaN here."""
    if any(isnan(code) for code in codes):
        tensor = graph.without_nulls(block)
        codes = [inf if isnan(code) else code for code in codes]
    else:
        tensor = graph.tensor(block)
    return graph.double(graph.add("Equal", tensor, graph.row(codes)))


def _bands(graph: Graph, step: Any, block: Block) -> Block:
    _require_numbers(step, block)
    lows, highs = list(step.edges[:-1]), list(step.edges[1:])
    # The first band is closed on the left too: above the next smaller number is at least the edge.
    lows[0] = nextafter(lows[0], -inf)
    repeated = block.choose([column for column in range(len(block)) for _ in lows])
    tensor = graph.tensor(repeated)
    above = graph.add("Greater", tensor, graph.row(lows * len(block)))
    below = graph.add("LessOrEqual", tensor, graph.row(highs * len(block)))
    return Block.numbers(graph.double(graph.add("And", above, below)), len(repeated))


def _code(value: Any, text: Vocabulary | None) -> float:
    """The number that stands for a category or a filling: NaN for a missing one."""
    if isinstance(value, float | np.floating) and np.isnan(value):
        return float("nan")
    if text is None:
        require(
            isinstance(value, int | float | np.number | np.bool),
            f"A column of numbers has the category or filling {str(value)[:50]!r}.",
        )
        return float(value)
    if value is None:
        return _NEVER
    require(isinstance(value, str), f"A column of texts has the category or filling {value!r}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotConvertible("A category is no valid Unicode text.") from None
    return text.code(str(value))


def _require_numbers(step: Any, block: Block) -> None:
    require(
        not any(text is not None for text in block.texts),
        f"{type(step).__name__} on a column of texts has no ONNX form here.",
    )


_CONVERTERS: Mapping[str, Callable[[Graph, Any, Block], Block]] = {
    "BandEncoder": _bands,
    "ColumnTransformer": _columns,
    "FeatureUnion": _union,
    "FunctionTransformer": _identity,
    "OneHotEncoder": _one_hot,
    "Pipeline": _pipeline,
    "SimpleImputer": _imputer,
    "StandardScaler": _standard_scaler,
}
