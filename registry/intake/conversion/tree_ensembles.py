"""Decision trees and forests as ONNX operators, in double on values rounded to float.

scikit-learn compares the float32 of a value with a double threshold, adds the leaves in double,
tree after tree, and divides by their number. So does this: with float32 throughout a forest would
differ by 1e-6, and two classes with equal probabilities could be in the wrong order.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from registry.intake.conversion.graph import ML, TREES_OPSET, Block, Graph

_SUM = 1
_LESS_OR_EQUAL = 0
_ARGMAX_CLASSES = 3
"""With two classes ONNX Runtime compares one with a constant; with three it takes the largest. So a
class without votes is added to two."""
_INFINITE_FLOAT32 = float(2**128 - 2**103)
"""The smallest double that is infinite as a float32: scikit-learn's trees refuse it."""


def tree_values(graph: Graph, trees: Sequence[Any], block: Block) -> str:
    """The mean prediction of ``trees`` (scikit-learn's ``Tree`` objects) as rows x 1."""
    # The operator with double leaves has one target for each leaf, so it fits regressions only.
    graph.ml_opset = TREES_OPSET
    total = graph.add("TreeEnsemble", rounded(graph, block), domain=ML, **_attributes(trees))
    return _mean(graph, total, len(trees))


def tree_sums(graph: Graph, trees: Sequence[Any], block: Block, factor: float) -> str:
    """The sum of the predictions of ``trees``, each multiplied by ``factor``, as rows x 1."""
    graph.ml_opset = TREES_OPSET
    attributes = _attributes(trees, factor)
    return graph.add("TreeEnsemble", rounded(graph, block), domain=ML, **attributes)


def tree_shares(graph: Graph, trees: Sequence[Any], block: Block, classes: int) -> tuple[str, str]:
    """The winning class of each row as its index, and the probabilities as rows x ``classes``.

    The winner is chosen in double; the operator returns the probabilities in float32.
    """
    label, totals = graph.add_many(
        "TreeEnsembleClassifier",
        rounded(graph, block),
        outputs=2,
        domain=ML,
        classlabels_int64s=list(range(max(classes, _ARGMAX_CLASSES))),
        **_node_attributes(trees),
        **_share_attributes(trees, classes),
    )
    shares = graph.tensor(
        Block.numbers(totals, max(classes, _ARGMAX_CLASSES)).choose(range(classes))
    )
    return label, _mean(graph, graph.double(shares), len(trees))


def rounded(graph: Graph, block: Block) -> str:
    """The block's values rounded to float32, as doubles."""
    graph.largest = _INFINITE_FLOAT32
    return graph.double(graph.add("Cast", graph.tensor(block), to=TensorProto.FLOAT))


def _mean(graph: Graph, total: str, count: int) -> str:
    return total if count == 1 else graph.add("Div", total, graph.constant(float(count)))


def _attributes(trees: Sequence[Any], factor: float = 1.0) -> dict[str, Any]:
    """Attributes of TreeEnsemble: inner nodes and leaves have separate numbers, over all trees."""
    columns: dict[str, list[NDArray[Any]]] = {}
    roots: list[int] = []
    nodes = leaves = 0
    for tree in trees:
        roots.append(nodes)
        for name, values in _apart(tree, nodes, leaves).items():
            columns.setdefault(name, []).append(values)
        nodes += len(columns["nodes_featureids"][-1])
        leaves += len(columns["leaf_weights"][-1])
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    return {
        "n_targets": 1,
        "aggregate_function": _SUM,
        "tree_roots": roots,
        "nodes_modes": numpy_helper.from_array(np.full(nodes, _LESS_OR_EQUAL, dtype=np.uint8)),
        "nodes_splits": numpy_helper.from_array(joined.pop("nodes_splits")),
        "leaf_weights": numpy_helper.from_array(joined.pop("leaf_weights") * factor),
        "leaf_targetids": np.zeros(leaves, dtype=np.int64),
        **{name: values.astype(np.int64) for name, values in joined.items()},
    }


def _apart(tree: Any, nodes: int, leaves: int) -> dict[str, NDArray[Any]]:
    """One tree's nodes and leaves, numbered from ``nodes`` and ``leaves``."""
    weights = np.asarray(tree.value[:, 0, 0], dtype=np.float64)
    if tree.node_count == 1:
        # A tree starts with a node, so a lone leaf is on both sides of a comparison.
        return {
            "nodes_featureids": np.zeros(1),
            "nodes_splits": np.zeros(1),
            "nodes_missing_value_tracks_true": np.zeros(1),
            "nodes_truenodeids": np.full(1, leaves),
            "nodes_falsenodeids": np.full(1, leaves),
            "nodes_trueleafs": np.ones(1),
            "nodes_falseleafs": np.ones(1),
            "leaf_weights": weights,
        }
    leaf = tree.children_left < 0
    inner = ~leaf
    number = np.where(leaf, np.cumsum(leaf) - 1 + leaves, np.cumsum(inner) - 1 + nodes)
    left, right = tree.children_left[inner], tree.children_right[inner]
    return {
        "nodes_featureids": tree.feature[inner],
        "nodes_splits": tree.threshold[inner].astype(np.float64),
        "nodes_missing_value_tracks_true": tree.missing_go_to_left[inner],
        "nodes_truenodeids": number[left],
        "nodes_falsenodeids": number[right],
        "nodes_trueleafs": leaf[left],
        "nodes_falseleafs": leaf[right],
        "leaf_weights": weights[leaf],
    }


def _node_attributes(trees: Sequence[Any]) -> dict[str, Any]:
    """Attributes of TreeEnsembleClassifier: the nodes of all trees, leaves among them."""
    leaf = np.concatenate([tree.children_left < 0 for tree in trees])

    def inner(name: str) -> NDArray[Any]:
        return np.where(leaf, 0, np.concatenate([getattr(tree, name) for tree in trees]))

    return {
        "post_transform": "NONE",
        "nodes_treeids": np.repeat(np.arange(len(trees)), [tree.node_count for tree in trees]),
        "nodes_nodeids": np.concatenate([np.arange(tree.node_count) for tree in trees]),
        "nodes_featureids": inner("feature").astype(np.int64),
        "nodes_values_as_tensor": numpy_helper.from_array(inner("threshold").astype(np.float64)),
        "nodes_modes": [b"LEAF" if is_leaf else b"BRANCH_LEQ" for is_leaf in leaf],
        "nodes_truenodeids": inner("children_left").astype(np.int64),
        "nodes_falsenodeids": inner("children_right").astype(np.int64),
        "nodes_missing_value_tracks_true": inner("missing_go_to_left").astype(np.int64),
    }


def _share_attributes(trees: Sequence[Any], classes: int) -> dict[str, Any]:
    leaves = [np.flatnonzero(tree.children_left < 0) for tree in trees]
    numbers = np.repeat(np.arange(len(trees)), [len(nodes) for nodes in leaves])
    shares = np.concatenate(
        [tree.value[nodes, 0, :] for tree, nodes in zip(trees, leaves, strict=True)]
    )
    return {
        "class_treeids": np.repeat(numbers, classes),
        "class_nodeids": np.repeat(np.concatenate(leaves), classes),
        "class_ids": np.tile(np.arange(classes), len(numbers)),
        "class_weights_as_tensor": numpy_helper.from_array(shares.ravel().astype(np.float64)),
    }
