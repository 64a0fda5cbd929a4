"""The trees of an uploaded ONNX file: arrays of indices that are followed without a look.

ONNX Runtime walks them in compiled code. A node that leads back never ends, a feature or a class
out of range reads or writes foreign memory; so all of it is checked before the file is loaded.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.intake.onnx_upload.tensors import Node

MAX_DEPTH = 4096
_MODES = frozenset(
    {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "LEAF"}
)
_LAST_MODE = 5
"""Of TreeEnsemble's modes, 0 to 5 compare a number; 6 asks a set whose size is computed."""
Integers = NDArray[np.int64]


def check_classic(node: Node, width: int, answers: int, leaves: str) -> int:
    """Check TreeEnsembleClassifier and TreeEnsembleRegressor; the steps that a row can take.

    ``width`` is the number of features, ``answers`` that of classes or targets; ``leaves`` begins
    the names of what hangs at the leaves. Raises ArtifactRefused.
    """
    modes = _listed(node, "nodes_modes")
    if not set(modes) <= _MODES:
        raise node.refuse("has nodes of an unknown mode")
    tree, number = _integers(node, "nodes_treeids"), _integers(node, "nodes_nodeids")
    feature = _integers(node, "nodes_featureids")
    yes, no = _integers(node, "nodes_truenodeids"), _integers(node, "nodes_falsenodeids")
    splits = _either(node, "nodes_values")
    columns = (tree, number, feature, yes, no, splits)
    if not modes or any(len(column) != len(modes) for column in columns):
        raise node.refuse("describes its nodes by lists of different lengths")
    for optional in ("nodes_hitrates", "nodes_missing_value_tracks_true"):
        if len(_either(node, optional)) not in {0, len(modes)}:
            raise node.refuse("describes its nodes by lists of different lengths")
    leaf = np.array([mode == "LEAF" for mode in modes])
    place = _Places(node, tree, number)
    inner = np.flatnonzero(~leaf)
    _check_features(node, feature[inner], width)
    children = np.concatenate([place.of(tree[inner], side[inner]) for side in (yes, no)])
    hung_tree, hung_node = (_integers(node, f"{leaves}_{name}ids") for name in ("tree", "node"))
    hung, weights = _integers(node, f"{leaves}_ids"), _either(node, f"{leaves}_weights")
    if not len(hung_tree) == len(hung_node) == len(hung) == len(weights) or not len(hung):
        raise node.refuse("describes its leaves by lists of different lengths")
    if not leaf[place.of(hung_tree, hung_node)].all():
        raise node.refuse("hangs answers at what is no leaf")
    if hung.min() < 0 or hung.max() >= answers:
        raise node.refuse(f"answers beyond its {answers} classes or targets")
    if len(_either(node, "base_values")) not in {0, 1, answers}:
        raise node.refuse("has base values that do not fit")
    roots = np.setdiff1d(np.arange(len(leaf)), children)
    if len(roots) != len(np.unique(tree)):
        raise node.refuse("has a tree with no root, or with two")
    return _walked(node, roots, inner, children, len(leaf), pairs=2)


def check_split(node: Node, width: int, answers: int) -> int:
    """Check TreeEnsemble, which numbers inner nodes and leaves apart; as ``check_classic``."""
    feature = _integers(node, "nodes_featureids")
    yes, no = _integers(node, "nodes_truenodeids"), _integers(node, "nodes_falsenodeids")
    yes_leaf, no_leaf = _integers(node, "nodes_trueleafs"), _integers(node, "nodes_falseleafs")
    modes, splits = _listed(node, "nodes_modes"), _listed(node, "nodes_splits")
    targets, weights = _integers(node, "leaf_targetids"), _listed(node, "leaf_weights")
    roots, count, leaves = _integers(node, "tree_roots"), len(feature), len(targets)
    columns = (yes, no, yes_leaf, no_leaf, modes, splits)
    if not count or any(len(column) != count for column in columns) or len(weights) != leaves:
        raise node.refuse("describes its nodes by lists of different lengths")
    for optional in ("nodes_hitrates", "nodes_missing_value_tracks_true"):
        if len(_listed(node, optional)) not in {0, count}:
            raise node.refuse("describes its nodes by lists of different lengths")
    if np.asarray(modes).max() > _LAST_MODE or "membership_values" in node.attributes:
        raise node.refuse("has nodes of an unknown mode")
    _check_features(node, feature, width)
    if not leaves or targets.min() < 0 or targets.max() >= answers:
        raise node.refuse(f"answers beyond its {answers} targets")
    if not set(np.unique(np.concatenate([yes_leaf, no_leaf]))) <= {0, 1}:
        raise node.refuse("has a child that is neither a node nor a leaf")
    parents, children = [], []
    for side, is_leaf in ((yes, yes_leaf == 1), (no, no_leaf == 1)):
        if (side < 0).any() or (side >= np.where(is_leaf, leaves, count)).any():
            raise node.refuse("has a child that is out of range")
        parents.append(np.flatnonzero(~is_leaf))
        children.append(side[~is_leaf])
    if not len(roots) or roots.min() < 0 or roots.max() >= count:
        raise node.refuse("has a root that is out of range")
    return _walked(node, roots, np.concatenate(parents), np.concatenate(children), count, pairs=1)


def _walked(
    node: Node, roots: Integers, parents: Integers, children: Integers, count: int, *, pairs: int
) -> int:
    """The sum of the depths of all trees; ``children``: ``pairs`` lists, each as ``parents`` lies.

    Raises ArtifactRefused at a cycle, at a node with two parents or none, and at too deep a tree.
    """
    if len(np.unique(np.concatenate([roots, children]))) != len(roots) + len(children):
        raise node.refuse("has a node with two parents")
    parents = np.tile(parents, pairs)
    order = np.argsort(parents, kind="stable")
    parents, children = parents[order], children[order]
    level, reached, steps = roots, len(roots), 0
    for _ in range(MAX_DEPTH):
        first, last = (np.searchsorted(parents, level, side=side) for side in ("left", "right"))
        below = [children[first[last > first]], children[(first + 1)[last > first + 1]]]
        steps += min(len(roots), len(level))
        level = np.concatenate(below)
        reached += len(level)
        if not len(level):
            break
    else:
        raise node.refuse(f"has a tree deeper than {MAX_DEPTH}")
    if reached != count:
        raise node.refuse("has a tree that leads back to itself, or nodes that nothing leads to")
    return steps


class _Places:
    """Where the node of a tree and a number stands in the lists."""

    def __init__(self, node: Node, tree: Integers, number: Integers) -> None:
        self._node = node
        self._pairs = self._keys(tree, number)
        self._order = np.argsort(self._pairs)
        self._sorted = self._pairs[self._order]
        if (self._sorted[1:] == self._sorted[:-1]).any():
            raise node.refuse("has two nodes of one number")

    def _keys(self, tree: Integers, number: Integers) -> Integers:
        for column in (tree, number):
            if len(column) and (column.min() < 0 or column.max() >= 2**31):
                raise self._node.refuse("numbers its nodes beyond what is taken")
        return tree * 2**31 + number

    def of(self, tree: Integers, number: Integers) -> Integers:
        wanted = self._keys(tree, number)
        at = np.searchsorted(self._sorted, wanted)
        found = at < len(self._sorted)
        if not found.all() or (self._sorted[at] != wanted).any():
            raise self._node.refuse("has a child that is out of range")
        places: Integers = self._order[at]
        return places


def _check_features(node: Node, feature: Integers, width: int) -> None:
    if len(feature) and (feature.min() < 0 or feature.max() >= width):
        raise node.refuse(f"looks at a feature beyond the {width} there are")


def _listed(node: Node, name: str) -> list[Any]:
    value = node.attributes.get(name, [])
    if isinstance(value, np.ndarray):
        value = value.ravel().tolist()
    if not isinstance(value, list):
        raise node.refuse(f"has a '{name}' of another type")
    return value


def _either(node: Node, name: str) -> list[Any]:
    """A list of numbers that is given plainly or, in double, as a tensor."""
    both = [_listed(node, key) for key in (name, f"{name}_as_tensor") if key in node.attributes]
    if len(both) > 1:
        raise node.refuse(f"gives '{name}' twice")
    return both[0] if both else []


def _integers(node: Node, name: str) -> Integers:
    value = _listed(node, name)
    if not all(type(item) is int for item in value):
        raise node.refuse(f"has a '{name}' of another type")
    return np.array(value, dtype=np.int64)
