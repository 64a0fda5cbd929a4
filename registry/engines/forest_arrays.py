"""A fitted tree or forest as plain arrays: all that is needed to predict, and nothing that runs.

Taken from scikit-learn's estimators by their attributes; this module imports nothing of
scikit-learn, so whoever only reads such arrays does not load it either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.signature import Task

Labels = NDArray[Any]
"""Class labels, one dimension: booleans, integers, floats, text, or objects that are text."""

# Exact classes, not their children: a subclass may predict in another way.
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
    """Trees laid one behind the other, each numbered from 0 as scikit-learn numbers it.

    - ``node_counts`` (trees), int64: how many nodes each tree has.
    - ``children_left``, ``children_right`` (nodes), int32: numbers within the tree; -1 at a leaf.
    - ``feature`` (nodes), int32, and ``threshold`` (nodes), float64: a row goes left if its
      feature, as float32, is at most the threshold. Without meaning at a leaf.
    - ``missing_go_to_left`` (nodes), uint8: 1 where a NaN goes left.
    - ``leaf_values`` (leaves, outputs), float64: the mean, or the share of each class, for every
      leaf in the order of the nodes.

    ``classes`` are the labels of a classifier in its own order, one for each output, else None.
    ``averaged`` tells a forest, whose answer is the mean of its trees', from a single tree.
    ``allows_missing``: scikit-learn takes rows with NaN here.

    Holds whatever it is given: `registry.engines.forest.Forest` checks it.
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

    Raises ValueError where it is none of these, is not fitted, has several outputs, or where its
    parts do not fit together.
    """
    name = _sklearn_name(model)
    if name not in _TREES and name not in _FORESTS:
        raise ValueError(f"{type(model).__name__} is no decision tree and no forest of them.")
    averaged = name in _FORESTS
    members: Sequence[Any] = getattr(model, "estimators_", ()) if averaged else [model]
    member_name = _FORESTS.get(name, name)
    if not members or any(not hasattr(member, "tree_") for member in members):
        raise ValueError(f"{name} is not fitted.")
    if any(_sklearn_name(member) != member_name for member in members):
        raise ValueError(f"{name} holds members that are no {member_name}.")
    if model.n_outputs_ != 1:
        raise ValueError(f"{name} has {model.n_outputs_} outputs; only one is supported.")
    classifies = _TREES[member_name] == "classification"
    classes = _labels(model.classes_) if classifies else None
    trees = [member.tree_ for member in members]
    width = 1 if classes is None else len(classes)
    for index, tree in enumerate(trees):
        if tree.n_features != model.n_features_in_:
            raise ValueError(f"Tree {index} looks at {tree.n_features} features, not as the model.")
        if tree.value.shape != (tree.node_count, 1, width):
            raise ValueError(f"Tree {index} has values of shape {tree.value.shape}.")
    return ForestArrays(
        task="classification" if classifies else "regression",
        n_features=int(model.n_features_in_),
        averaged=averaged,
        # scikit-learn asks the first member, which knows what its splitter can do.
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
    """The class's name if scikit-learn defines it, else an empty text."""
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
