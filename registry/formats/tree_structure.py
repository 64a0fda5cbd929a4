"""Checks the nodes of trees, which scikit-learn's compiled code follows unchecked."""

from typing import Any

import numpy as np

from registry.errors import ArtifactRefused

_LEAF = -1
_MAX_OUTPUTS = 1_000
_MAX_CLASSES = 10_000


def check_arguments(arguments: Any) -> None:
    """Check the constructor arguments of a ``Tree`` before it is created.

    It reads a number of classes for each output, even beyond the end of the array.
    Raises ArtifactRefused.
    """
    if type(arguments) is not tuple or len(arguments) != 3:
        raise ArtifactRefused("A tree has invalid constructor arguments.")
    features, classes, outputs = arguments
    if type(features) is not int or features < 1 or type(outputs) is not int:
        raise ArtifactRefused("A tree does not state how many features and outputs it has.")
    if not 1 <= outputs <= _MAX_OUTPUTS:
        raise ArtifactRefused(f"A tree states that it has {outputs} outputs.")
    if type(classes) is not np.ndarray or classes.shape != (outputs,) or classes.dtype.kind != "i":
        raise ArtifactRefused(
            f"A tree of {outputs} outputs does not state how many classes each has."
        )
    if classes.min() < 1 or classes.max() > _MAX_CLASSES:
        raise ArtifactRefused(f"A tree states that it has {classes.max()} classes.")


def check_state(state: Any) -> None:
    """Check the dimensions of the arrays in the state of a ``Tree``, before it is set.

    It reads the length of ``nodes`` before it checks that it has one. Raises ArtifactRefused.
    """
    held = [state.get(key) for key in ("nodes", "values")] if type(state) is dict else [None]
    check_nodes(*(each.shape if type(each) is np.ndarray else () for each in held))


def check_nodes(*shapes: tuple[int, ...]) -> None:
    """Check the shapes of ``nodes`` and ``values``. Raises ArtifactRefused."""
    if [len(shape) for shape in shapes] != [1, 3]:
        raise ArtifactRefused("A tree does not have a list of nodes and their values.")


def check_tree(tree: Any) -> None:
    """Raises ArtifactRefused unless every walk of a ``Tree`` of scikit-learn ends at a leaf."""
    count = tree.node_count
    if count < 1:
        raise ArtifactRefused(f"A tree states that it has {count} nodes.")
    left, right = tree.children_left, tree.children_right
    if len(left) != count or len(tree.value) != count:
        raise ArtifactRefused(f"A tree states that it has {count} nodes and has {len(left)}.")
    nodes = np.arange(count)
    leaf = left == _LEAF
    if not np.array_equal(leaf, right == _LEAF):
        raise ArtifactRefused("A tree has a node with one child.")
    inner = nodes[~leaf]
    for side in (left, right):
        # scikit-learn numbers a child after its parent, so this also rules out every cycle.
        if np.any(side[inner] <= inner) or np.any(side[inner] >= count):
            raise ArtifactRefused("A tree has a child that is out of range or before its parent.")
    children = np.concatenate([left[inner], right[inner]])
    if not np.array_equal(np.sort(children), nodes[1:]):
        raise ArtifactRefused("A tree has a node with no parent, or with two.")
    features = tree.feature[inner]
    if np.any(features < 0) or np.any(features >= tree.n_features):
        raise ArtifactRefused(f"A tree uses a feature beyond its {tree.n_features}.")
    if np.isnan(tree.threshold[inner]).any() or not np.isfinite(tree.value).all():
        raise ArtifactRefused("A tree has a threshold or a value that is not a number.")
