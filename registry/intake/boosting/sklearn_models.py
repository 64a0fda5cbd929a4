"""Takes the trees of scikit-learn's gradient boosting, for the kernel.

The sums are those of scikit-learn 1.9: doubles, in the order of the iterations
(`gradient_boosting.py`, `_raw_predict`; `_gradient_boosting.pyx`, `predict_stages`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from registry.engines.boosting.model import BoostedModel, Tree
from registry.engines.boosting_arrays import Answer, BoostingParameters, ColumnKind

_HISTOGRAMS = "sklearn.ensemble._hist_gradient_boosting.gradient_boosting"
_GRADIENTS = "sklearn.ensemble._gb"
_LINKS: Mapping[str, Answer] = {"IdentityLink": "value", "LogLink": "exp"}
_CONSTANT = {"DummyClassifier", "DummyRegressor"}


def take_boosted(model: Any) -> BoostedModel | None:
    """The trees of a fitted HistGradientBoosting* or GradientBoosting*; None where it has none of
    these, or splits by categories, which have another form."""
    kind = type(model)
    if kind.__module__ == _HISTOGRAMS:
        return _of_histograms(model)
    return _of_gradients(model) if kind.__module__ == _GRADIENTS else None


def _of_histograms(model: Any) -> BoostedModel | None:
    categorical = model.is_categorical_
    if categorical is not None and np.any(categorical):
        return None
    outputs = model.n_trees_per_iteration_
    answer = _answer(model, outputs)
    if answer is None:
        return None
    trees = [
        _histogram_tree(predictor.nodes, output)
        for iteration in model._predictors
        for output, predictor in enumerate(iteration)
    ]
    return BoostedModel(
        names=None,
        parameters=BoostingParameters(n_features=int(model.n_features_in_), answer=answer),
        trees=trees,
        start=np.asarray(model._baseline_prediction, np.float64).ravel(),
    )


def _answer(model: Any, outputs: int) -> Answer | None:
    if hasattr(model, "classes_"):
        return "logit" if outputs == 1 else "logits"
    return _LINKS.get(type(model._loss.link).__name__)


def _histogram_tree(nodes: Any, output: int) -> Tree:
    leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=np.where(leaf, 0.0, nodes["num_threshold"]),
        kind=np.full(len(nodes), ColumnKind.NUMBER, np.uint8),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        value=nodes["value"].astype(np.float64),
        output=output,
    )


def _of_gradients(model: Any) -> BoostedModel | None:
    init = model.init_
    constant = init == "zero" if isinstance(init, str) else type(init).__name__ in _CONSTANT
    classifies = hasattr(model, "classes_")
    outputs = model.estimators_.shape[1]
    if not constant or (classifies and model.loss != "log_loss"):
        return None
    # Above or equal to zero counts as the second class there, unlike in other models.
    answer: Answer = "value" if not classifies else "logit_or_zero" if outputs == 1 else "logits"
    trees = [
        _gradient_tree(member.tree_, output, model.learning_rate)
        for stage in model.estimators_
        for output, member in enumerate(stage)
    ]
    start = model._raw_predict_init(np.zeros((1, model.n_features_in_)))
    return BoostedModel(
        names=None,
        parameters=BoostingParameters(
            n_features=int(model.n_features_in_), answer=answer, casts=True, allows_missing=False
        ),
        trees=trees,
        start=np.asarray(start, np.float64).ravel(),
    )


def _gradient_tree(tree: Any, output: int, rate: float) -> Tree:
    leaf = tree.children_left == -1
    return Tree(
        left=tree.children_left.astype(np.int64),
        right=tree.children_right.astype(np.int64),
        feature=np.where(leaf, 0, tree.feature).astype(np.int64),
        threshold=np.where(leaf, 0.0, tree.threshold),
        kind=np.full(tree.node_count, ColumnKind.NUMBER, np.uint8),
        missing_left=np.zeros(tree.node_count, np.bool_),
        value=rate * tree.value[:, 0, 0],
        output=output,
    )
