"""Checks the tree ensembles of an ONNX file: every walk ends, at indices inside the lists.

The operators are TreeEnsemble (version 5 of ai.onnx.ml) and TreeEnsembleClassifier and
TreeEnsembleRegressor (version 3). A child that two nodes share, or a root that is a child, could
form a cycle; without either every node is reached at most once.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_DEPTH = 500
"""The library recurses into a tree when it loads it. scikit-learn's are mostly below 100 deep."""
_MAX_FEATURES = 100_000

Ints = NDArray[np.int64]
Attributes = Mapping[str, Any]


def check_tree_ensemble(operator: str, attributes: Attributes, *, leaf: int) -> None:
    """Raises ValueError. ``leaf`` is the number of the mode LEAF in ``nodes_modes``."""
    features = _ints(attributes, "nodes_featureids")
    _within(features, _MAX_FEATURES, "a feature")
    if operator == "TreeEnsemble":
        _check_indexed(attributes, len(features))
    else:
        _check_named(operator, attributes, len(features), leaf)


def _check_indexed(attributes: Attributes, count: int) -> None:
    """Nodes and leaves are identified by their indices."""
    leaves = _ints(attributes, "leaf_targetids")
    _within(leaves, _number(attributes, "n_targets"), "a leaf's target")
    children = []
    for side in ("true", "false"):
        is_leaf = _of_length(_ints(attributes, f"nodes_{side}leafs"), count) != 0
        child = _of_length(_ints(attributes, f"nodes_{side}nodeids"), count)
        _within(child[is_leaf], len(leaves), "a leaf")
        _within(child[~is_leaf], count, "a child")
        children.append(np.where(is_leaf, -1, child))
    roots = _ints(attributes, "tree_roots")
    _within(roots, count, "a root")
    # A tree that is a single leaf has a node whose two children are that leaf.
    _check_walks(roots, children[0], children[1])


def _check_named(operator: str, attributes: Attributes, count: int, leaf: int) -> None:
    """Nodes are identified by their tree and their number in it."""
    tree, node, modes, yes, no = (
        _of_length(_ints(attributes, f"nodes_{name}"), count)
        for name in ("treeids", "nodeids", "modes", "truenodeids", "falsenodeids")
    )
    for each in (tree, node):
        _within(each, 2**31, "a tree or a node")
    if (np.diff(tree) < 0).any():
        raise ValueError("the trees are not in the order of their numbers")
    names = tree * 2**31 + node
    order = np.argsort(names, kind="stable")
    known = names[order]
    if (known[1:] == known[:-1]).any():
        raise ValueError("two nodes of a tree have the same number")
    inner = modes != leaf
    children = [np.where(inner, _found(tree, side, inner, known, order), -1) for side in (yes, no)]
    firsts = np.unique(tree, return_index=True)[1]
    _check_walks(firsts.astype(np.int64), children[0], children[1])
    kind = "class" if operator == "TreeEnsembleClassifier" else "target"
    targets = _ints(attributes, f"{kind}_ids")
    votes_for = _labels(attributes) if kind == "class" else _number(attributes, "n_targets")
    _within(targets, votes_for, "a leaf's target")
    votes = [_of_length(_ints(attributes, f"{kind}_{name}"), len(targets)) for name in _VOTES]
    voters = votes[0] * 2**31 + votes[1]
    for each in votes:
        _within(each, 2**31, "a leaf")
    at = np.searchsorted(known, voters)
    if (at >= len(known)).any() or (known[at] != voters).any() or inner[order[at]].any():
        raise ValueError("a leaf is not one of the nodes")


_VOTES = ("treeids", "nodeids")


def _found(tree: Ints, child: Ints, inner: NDArray[np.bool_], known: Ints, order: Ints) -> Ints:
    """The index of each inner node's child among the nodes."""
    _within(child[inner], 2**31, "a child")
    names = tree * 2**31 + np.where(inner, child, 0)
    at = np.minimum(np.searchsorted(known, names), len(known) - 1)
    if (known[at] != names)[inner].any():
        raise ValueError("a child is not one of the nodes")
    return order[at]


def _check_walks(roots: Ints, yes: Ints, no: Ints) -> None:
    """``yes`` and ``no`` are the indices of each node's children; -1: none."""
    children = np.concatenate([yes[yes >= 0], no[no >= 0]])
    if len(np.unique(children)) != len(children):
        raise ValueError("two nodes share a child")
    if len(np.unique(roots)) != len(roots) or np.isin(roots, children).any():
        raise ValueError("a root is repeated or a child")
    if len(roots) + len(children) != len(yes):
        raise ValueError("a node is neither a root nor a child")
    level = roots
    for _ in range(MAX_DEPTH):
        level = np.concatenate([yes[level], no[level]])
        level = level[level >= 0]
        if not len(level):
            return
    raise ValueError(f"a tree is deeper than {MAX_DEPTH}")


def _ints(attributes: Attributes, name: str) -> Ints:
    value = attributes.get(name)
    if not isinstance(value, np.ndarray):
        raise ValueError(f"the trees have no {name}")
    return value


def _labels(attributes: Attributes) -> int:
    """The number of classes, by the list that names them."""
    lists = [name for name in ("classlabels_int64s", "classlabels_strings") if name in attributes]
    if len(lists) != 1:
        raise ValueError("the trees do not have exactly one list of classes")
    return len(_ints(attributes, lists[0]))


def _number(attributes: Attributes, name: str) -> int:
    value = attributes.get(name)
    if not isinstance(value, int) or not 0 < value < 2**31:
        raise ValueError(f"the trees have no {name}")
    return value


def _of_length(values: Ints, count: int) -> Ints:
    if len(values) != count:
        raise ValueError("the trees' lists differ in length")
    return values


def _within(values: Ints, limit: int, what: str) -> None:
    if ((values < 0) | (values >= limit)).any():
        raise ValueError(f"{what} is out of range")
