"""A fitted tree or forest as plain arrays: all the data needed to predict, and no code.

The arrays are attributes of scikit-learn's estimators. This module does not import scikit-learn,
which is not needed to read such arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.signature import Task

Labels = NDArray[Any]
"""Class labels, one dimension: booleans, integers, floats, text, or objects that are text."""

# Exact classes: a subclass may predict in another way.
_TREES = {
    "DecisionTreeClassifier": "classification",
    "DecisionTreeRegressor": "regression",
    "ExtraTreeClassifier": "classification",
    "ExtraTreeRegressor": "regression",
}
_FORESTS = {
    "RandomForestClassifier": "DecisionTreeClassifier",
    "RandomForestRegressor": "DecisionTreeRegressor",
    "ExtraTreesClassifier": "ExtraTreeClassifier",
    "ExtraTreesRegressor": "ExtraTreeRegressor",
}
_LEAF = -1
_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class ForestArrays:
    """The nodes of one tree after the other, numbered within each tree from 0 as in scikit-learn.

    - ``node_counts`` (trees), int64: how many nodes each tree has.
    - ``children_left``, ``children_right`` (nodes), int32: numbers within the tree; -1 at a leaf.
    - ``feature`` (nodes), int32, and ``threshold`` (nodes), float64: a row goes left if its
      feature, as float32, is at most the threshold. Not used at a leaf.
    - ``missing_go_to_left`` (nodes), uint8: 1 where a NaN goes left.
    - ``leaf_values`` (leaves, outputs), float64: the mean, or the share of each class, for every
      leaf in the order of the nodes.

    ``classes``: the labels of a classifier in its own order, one for each output; else None.
    ``averaged``: a forest, which predicts the mean of its trees; False for a single tree.
    ``allows_missing``: scikit-learn accepts rows with NaN.

    Not checked here but by `registry.engines.forest.Forest`.
    """

    task: Task
    n_features: int
    averaged: bool
    allows_missing: bool
    classes: Labels | None
    node_counts: NDArray[np.int64]
    children_left: NDArray[np.int32]
    children_right: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    missing_go_to_left: NDArray[np.uint8]
    leaf_values: NDArray[np.float64]


def is_forest(model: Any) -> bool:
    """Whether ``model`` is of one of scikit-learn's tree or forest classes, and not a subclass."""
    return _sklearn_name(model) in _TREES.keys() | _FORESTS.keys()


def take_arrays(model: Any) -> ForestArrays:
    """The arrays of a fitted DecisionTree*, ExtraTree*, RandomForest* or ExtraTrees*.

    Raises ValueError where ``model`` is of another class, is not fitted, has several outputs, or is
    inconsistent.
    """
    name = _sklearn_name(model)
    if name not in _TREES and name not in _FORESTS:
        raise ValueError(f"{type(model).__name__} is neither a decision tree nor a forest.")
    averaged = name in _FORESTS
    members: Sequence[Any] = getattr(model, "estimators_", ()) if averaged else [model]
    member_name = _FORESTS.get(name, name)
    if not members or any(not hasattr(member, "tree_") for member in members):
        raise ValueError(f"{name} is not fitted.")
    if any(_sklearn_name(member) != member_name for member in members):
        raise ValueError(f"{name} has members that are not a {member_name}.")
    if model.n_outputs_ != 1:
        raise ValueError(f"{name} has {model.n_outputs_} outputs; only one is supported.")
    classifies = _TREES[member_name] == "classification"
    classes = _labels(model.classes_) if classifies else None
    trees = [member.tree_ for member in members]
    width = 1 if classes is None else len(classes)
    for index, tree in enumerate(trees):
        if tree.n_features != model.n_features_in_:
            raise ValueError(f"Tree {index} has {tree.n_features} features, unlike the model.")
        if tree.value.shape != (tree.node_count, 1, width):
            raise ValueError(f"Tree {index} has values of shape {tree.value.shape}.")
    return ForestArrays(
        task="classification" if classifies else "regression",
        n_features=int(model.n_features_in_),
        averaged=averaged,
        # As in scikit-learn, where it depends on the splitter of the members.
        allows_missing=bool(members[0].__sklearn_tags__().input_tags.allow_nan),
        classes=classes,
        node_counts=np.array([tree.node_count for tree in trees], dtype=np.int64),
        children_left=_int32([tree.children_left for tree in trees], "children_left"),
        children_right=_int32([tree.children_right for tree in trees], "children_right"),
        feature=_int32([tree.feature for tree in trees], "feature"),
        threshold=np.concatenate([tree.threshold for tree in trees], dtype=np.float64),
        missing_go_to_left=np.concatenate(
            [tree.missing_go_to_left for tree in trees], dtype=np.uint8
        ),
        leaf_values=np.concatenate(
            [tree.value[tree.children_left == _LEAF, 0, :] for tree in trees], dtype=np.float64
        ),
    )


def _sklearn_name(model: Any) -> str:
    """The name of the class if scikit-learn defines it, else an empty string."""
    kind = type(model)
    own = kind.__module__ in ("sklearn.tree._classes", "sklearn.ensemble._forest")
    return kind.__qualname__ if own else ""


def _int32(parts: Sequence[NDArray[Any]], name: str) -> NDArray[np.int32]:
    whole = np.concatenate(parts)
    if whole.min() < _INT32.min or whole.max() > _INT32.max:
        raise ValueError(f"{name} has a number beyond 32 bits.")
    return whole.astype(np.int32)


def _labels(classes: Any) -> Labels:
    labels = np.asarray(classes)
    text = labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels)
    if labels.ndim != 1 or not (text or labels.dtype.kind in "biufU"):
        raise ValueError("The classes are not numbers, booleans or text.")
    return labels
