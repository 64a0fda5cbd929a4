"""Gradient boosting as ONNX operators: the sums of trees in double, added to a constant."""

from typing import Any, Literal

import numpy as np

from registry.intake.conversion.graph import Block, Graph
from registry.intake.conversion.target import require
from registry.intake.conversion.tree_ensembles import tree_sums

_INT64 = 7
"""TensorProto.INT64."""
_CONSTANT = frozenset({"DummyClassifier", "DummyRegressor"})

Head = Literal["value", "label", "probabilities"]


def is_boosted(estimator: Any) -> bool:
    return type(estimator).__name__ in {"GradientBoostingClassifier", "GradientBoostingRegressor"}


def boosted(graph: Graph, estimator: Any, block: Block) -> dict[Head, str]:
    """The output tensors of a GradientBoosting model for ``block`` by name. Raises NotConvertible.

    A classifier chooses the label by its scores, as scikit-learn does.
    """
    start = estimator.init_
    require(
        isinstance(start, str) or type(start).__name__ in _CONSTANT,
        f"It starts from a {type(start).__name__}, which has no ONNX form here.",
    )
    row = np.zeros((1, estimator.n_features_in_), dtype=np.float32)
    starts = np.ravel(estimator._raw_predict_init(row))
    scores = []
    for number, constant in enumerate(starts):
        trees = [member.tree_ for member in estimator.estimators_[:, number]]
        total = tree_sums(graph, trees, block, float(estimator.learning_rate))
        scores.append(graph.add("Add", total, graph.constant(float(constant))))
    if not hasattr(estimator, "classes_"):
        return {"value": scores[0]}
    if len(scores) > 1:
        raw = graph.add("Concat", *scores, axis=1)
        label = graph.add("ArgMax", raw, axis=1, keepdims=0)
        return {"label": label, "probabilities": graph.add("Softmax", raw, axis=1)}
    return _of_two(graph, estimator, scores[0])


def _of_two(graph: Graph, estimator: Any, score: str) -> dict[Head, str]:
    one = graph.constant(1.0)
    above = graph.add("LessOrEqual", graph.constant(0.0), score)
    label = graph.add("Cast", above, to=_INT64)
    factor = graph.constant(-2.0 if estimator.loss == "exponential" else -1.0)
    # Not Sigmoid: ONNX Runtime's is 0 below -37.
    powers = graph.add("Exp", graph.add("Mul", score, factor))
    share = graph.add("Reciprocal", graph.add("Add", one, powers))
    shares = graph.add("Concat", graph.add("Sub", one, share), share, axis=1)
    label = graph.add("Reshape", label, graph.constant([-1], np.int64))
    return {"label": label, "probabilities": shares}
