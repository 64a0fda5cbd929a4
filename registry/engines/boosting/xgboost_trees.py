"""Reads the trees of XGBoost's files."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.engines.boosting.model import Tree
from registry.engines.boosting.xgboost_fields import (
    read_count,
    read_integers,
    read_member,
    read_numbers,
)
from registry.engines.boosting_arrays import ColumnKind
from registry.errors import ArtifactRefused

_LARGEST_CATEGORY = 2**24 - 1


def read_trees(
    model: Mapping[str, Any],
    weights: NDArray[np.float32] | None,
    used: int,
    offsets: NDArray[np.float32],
) -> list[Tree]:
    """The first ``used`` trees of ``model``. ``weights``: DART's, of all trees.

    ``offsets`` has a number for each output that is added to its trees before they are weighed, and
    subtracted after. Raises ArtifactRefused.
    """
    trees = read_member(model, "trees", list)
    groups = read_integers(model, "tree_info", at="the model")
    if len(groups) != len(trees) or not 1 <= used <= len(trees):
        raise ArtifactRefused(
            f"The XGBoost model has {len(trees)} trees, of which {used} are used, and "
            f"{len(groups)} items in tree_info."
        )
    if weights is not None and len(weights) != len(trees):
        raise ArtifactRefused(f"The XGBoost model has {len(weights)} weights for its trees.")
    if np.any(groups < 0) or np.any(groups >= len(offsets)):
        raise ArtifactRefused(f"A tree belongs to an output beyond the model's {len(offsets)}.")
    return [
        _tree(index, trees[index], int(group), None if weights is None else weights[index], offset)
        for index, group, offset in zip(range(used), groups, offsets[groups], strict=False)
    ]


def _tree(
    index: int, node: Any, output: int, weight: np.float32 | None, offset: np.float32
) -> Tree:
    at = f"tree {index}"
    if not isinstance(node, dict):
        raise ArtifactRefused(f"The XGBoost model's {at} is not an object.")
    if read_count(read_member(node, "tree_param", dict), "size_leaf_vector", 0) > 1:
        raise ArtifactRefused(
            "The XGBoost model has trees with vectors at their leaves: train with "
            "multi_strategy='one_output_per_tree'."
        )
    left = read_integers(node, "left_children", at)
    right = read_integers(node, "right_children", at)
    feature = read_integers(node, "split_indices", at)
    conditions = read_numbers(node, "split_conditions", at)
    default_left = read_integers(node, "default_left", at) != 0
    categorical = np.zeros(len(left), np.bool_)
    if "split_type" in node:
        categorical = read_integers(node, "split_type", at) != 0
    lengths = {len(each) for each in (left, right, feature, conditions, default_left, categorical)}
    if len(lengths) != 1 or not len(left):
        raise ArtifactRefused(f"The XGBoost model's {at} has lists of different lengths.")
    categorical &= left >= 0
    values = conditions if weight is None else ((offset + conditions) - offset) * weight
    # A row goes left below the threshold: up to the largest float below it.
    threshold = np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64)
    threshold[categorical] = 0.0
    return Tree(
        left=left,
        right=right,
        feature=feature,
        threshold=threshold,
        kind=np.where(categorical, ColumnKind.CATEGORY, ColumnKind.NUMBER).astype(np.uint8),
        missing_left=default_left,
        value=values.astype(np.float64),
        output=output,
        sets=_sets(node, categorical, at) if categorical.any() else {},
    )


def _sets(
    node: Mapping[str, Any], categorical: NDArray[np.bool_], at: str
) -> dict[int, NDArray[np.int64]]:
    """The categories of each node that splits by them."""
    listed = read_integers(node, "categories", at)
    nodes = read_integers(node, "categories_nodes", at)
    starts = read_integers(node, "categories_segments", at)
    sizes = read_integers(node, "categories_sizes", at)
    if not len(nodes) == len(starts) == len(sizes) == categorical.sum() or not np.array_equal(
        np.sort(nodes), np.flatnonzero(categorical)
    ):
        raise ArtifactRefused(f"The XGBoost model's {at} has sets of categories for other nodes.")
    if np.any(listed < 0) or np.any(listed > _LARGEST_CATEGORY):
        raise ArtifactRefused(f"The XGBoost model's {at} has a category out of range.")
    # Below 2**31 each, so that no sum overflows.
    limit = len(listed)
    if np.any(starts < 0) or np.any(sizes < 0) or np.any(starts > limit - np.minimum(sizes, limit)):
        raise ArtifactRefused(f"The XGBoost model's {at} has a set of categories out of range.")
    if np.any(sizes > limit):
        raise ArtifactRefused(f"The XGBoost model's {at} has a set of categories out of range.")
    return {
        place: np.unique(listed[start : start + size])
        for place, start, size in zip(nodes.tolist(), starts.tolist(), sizes.tolist(), strict=True)
    }
