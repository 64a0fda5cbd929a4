"""The estimator at the end of a pipeline as nodes of a graph."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from registry.engines.linear_file import LinearFile
from registry.intake.conversion.boosting import boosted, is_boosted
from registry.intake.conversion.foreign import convert_estimator
from registry.intake.conversion.graph import Block, Graph
from registry.intake.conversion.target import NotConvertible, require
from registry.intake.conversion.tree_ensembles import tree_shares, tree_values

Heads = dict[Literal["value", "label", "probabilities"], str]
"""The output tensors: doubles for ``value``, indices of classes for ``label``."""


def predict(graph: Graph, estimator: Any, block: Block) -> Heads:
    """The predictions of ``estimator`` for ``block``. Raises NotConvertible."""
    from sklearn.base import is_classifier

    name = type(estimator).__name__
    require(
        not any(text is not None for text in block.texts),
        f"{name} on a column of texts has no ONNX form here.",
    )
    trees = _members(estimator)
    if trees is not None and is_classifier(estimator):
        label, shares = tree_shares(graph, trees, block, len(estimator.classes_))
        return {"label": label, "probabilities": shares}
    if trees is not None:
        return {"value": tree_values(graph, trees, block)}
    if is_boosted(estimator):
        return boosted(graph, estimator, block)
    if _is_linear_regressor(estimator):
        return {"value": _scores(graph, estimator, block)}
    if _is_linear_classifier(estimator):
        return _linear_classifier(graph, estimator, block)
    return convert_estimator(graph, estimator, block, has_classes=is_classifier(estimator))


def _members(estimator: Any) -> list[Any] | None:
    """The ``Tree`` objects of a tree, or of a forest that averages them; else None."""
    from sklearn.ensemble._forest import ForestClassifier, ForestRegressor
    from sklearn.tree._classes import BaseDecisionTree

    if isinstance(estimator, BaseDecisionTree):
        return [estimator.tree_]
    if isinstance(estimator, ForestClassifier | ForestRegressor):
        return [member.tree_ for member in estimator.estimators_]
    return None


def _is_linear_regressor(estimator: Any) -> bool:
    from sklearn.linear_model import SGDRegressor
    from sklearn.linear_model._base import LinearModel

    return isinstance(estimator, LinearModel | SGDRegressor) and not hasattr(estimator, "classes_")


def _is_linear_classifier(estimator: Any) -> bool:
    """Whether its labels, and its probabilities if any, follow from its linear scores."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.linear_model._base import LinearClassifierMixin

    if isinstance(estimator, LogisticRegression | LinearDiscriminantAnalysis | SGDClassifier):
        return True
    return isinstance(estimator, LinearClassifierMixin) and not hasattr(estimator, "predict_proba")


def take_linear(estimator: Any) -> LinearFile | None:
    """The weights of a linear model that predicts by the usual rule; else None.

    The usual rule computes probabilities by the logistic function or softmax.
    """
    classifies = _is_linear_classifier(estimator)
    if not classifies and not _is_linear_regressor(estimator):
        return None
    probabilities = classifies and hasattr(estimator, "predict_proba")
    if probabilities and _normalizes(estimator):
        return None
    weights, start = _weights(estimator)
    return LinearFile(weights, start, probabilities)


def _normalizes(estimator: Any) -> bool:
    """Whether it estimates each class separately, and divides by the sum of the estimates."""
    from sklearn.linear_model import SGDClassifier

    return isinstance(estimator, SGDClassifier)


def _weights(estimator: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The weights, features x outputs, in their memory layout, and the intercept of each output."""
    weights = np.atleast_2d(np.asarray(estimator.coef_, dtype=np.float64)).T
    start = np.broadcast_to(np.asarray(estimator.intercept_, dtype=np.float64), weights.shape[1])
    return weights, start


def _scores(graph: Graph, estimator: Any, block: Block) -> str:
    """The linear predictor, rows x outputs."""
    weights, start = _weights(estimator)
    if weights.shape[0] != len(block):
        raise NotConvertible(f"It has {weights.shape[0]} weights for {len(block)} columns.")
    return graph.add("Gemm", graph.tensor(block), graph.constant(weights), graph.constant(start))


def _linear_classifier(graph: Graph, estimator: Any, block: Block) -> Heads:
    scores = _scores(graph, estimator, block)
    binary = np.atleast_2d(estimator.coef_).shape[0] == 1
    # Not from the probabilities, several of which are 1 if the scores are large.
    heads: Heads = {"label": _winner(graph, scores, binary=binary)}
    if hasattr(estimator, "predict_proba"):
        heads["probabilities"] = _shares(graph, estimator, scores, binary=binary)
    return heads


def _winner(graph: Graph, scores: str, *, binary: bool) -> str:
    if not binary:
        return graph.add("ArgMax", scores, axis=1, keepdims=0)
    above = graph.add("Greater", scores, graph.constant(0.0))
    return graph.add("Cast", above, to=_INT64)


def _shares(graph: Graph, estimator: Any, scores: str, *, binary: bool) -> str:
    """The probability of each class, rows x classes."""
    if not binary and not _normalizes(estimator):
        return graph.add("Softmax", scores, axis=1)
    one = graph.constant(1.0)
    if getattr(estimator, "loss", None) == "modified_huber":
        clipped = graph.add("Clip", scores, graph.constant(-1.0), one)
        estimates = graph.add("Div", graph.add("Add", clipped, one), graph.constant(2.0))
    else:
        # Not Sigmoid: ONNX Runtime's is 0 below -37, and then the sum below is 0, too.
        powers = graph.add("Exp", graph.add("Mul", scores, graph.constant(-1.0)))
        estimates = graph.add("Reciprocal", graph.add("Add", one, powers))
    if binary:
        return graph.add("Concat", graph.add("Sub", one, estimates), estimates, axis=1)
    total = graph.add("ReduceSum", estimates, graph.constant([1], np.int64), keepdims=1)
    none = graph.add("Equal", total, graph.constant(0.0))
    equal = graph.constant(1.0 / len(estimator.classes_))
    return graph.add("Where", none, equal, graph.add("Div", estimates, total))


_INT64 = 7
"""TensorProto.INT64."""
