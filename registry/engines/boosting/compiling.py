"""Makes the kernel's arrays of a boosted model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.engines.boosting.model import BoostedModel, Categories, Tree
from registry.engines.boosting_arrays import BoostingArrays, ColumnKind

MAX_NODES = 50_000_000
MAX_CATEGORIES = 1_000_000
"""Categories of one column."""
MAX_SET_WORDS = 16 * 2**20
"""32-bit words that the sets of all splits by categories take: 64 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """A column of keys, the ``nodes`` that compare it, and the ``place`` of each category in its
    ``table``, by the code of the category where the library has codes."""

    feature: int
    kind: ColumnKind
    nodes: NDArray[np.int64]
    table: NDArray[np.float64]
    place: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Nodes:
    """The nodes of all trees; the keys of ``sets`` count them through."""

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    kind: NDArray[np.uint8]
    inner: NDArray[np.bool_]
    sets: dict[int, NDArray[np.int64]]


def compile_trees(model: BoostedModel) -> BoostingArrays:
    """``model`` as arrays. Raises ValueError naming the fault where its trees are not valid."""
    if not model.trees:
        raise ValueError("The model has no trees.")
    trees = [_ordered(index, tree) for index, tree in enumerate(model.trees)]
    if sum(len(tree.left) for tree in trees) > MAX_NODES:
        raise ValueError(f"The model has more than {MAX_NODES} nodes.")
    left, right, feature, threshold, kind, missing_left, value = (
        np.concatenate([getattr(tree, name) for tree in trees])
        for name in ("left", "right", "feature", "threshold", "kind", "missing_left", "value")
    )
    inner = left >= 0
    if np.any(feature[inner] < 0) or np.any(feature[inner] >= model.parameters.n_features):
        raise ValueError(f"A node uses a feature beyond the model's {model.parameters.n_features}.")
    if np.any(np.isnan(threshold[inner])) or not np.all(np.isfinite(value[~inner])):
        raise ValueError("A threshold or a leaf value is not a number.")
    named = np.isin(feature, np.array(sorted(model.categories), np.int64))
    kind = np.where(named & (kind >= ColumnKind.CATEGORY), np.uint8(model.unknown), kind)
    if np.any(inner & named & (kind != model.unknown)):
        raise ValueError("A column with categories is compared with a number.")
    starts = np.cumsum([0, *(len(tree.left) for tree in trees)])
    sets = {start + node: held for start, tree in zip(starts, trees, strict=False)
            for node, held in tree.sets.items()}  # fmt: skip
    column, columns = _columns(model, _Nodes(feature, threshold, kind, inner, sets))
    split = np.zeros(len(left), np.uint32)
    for made in columns:
        if not made.kind.is_category:
            split[made.nodes] = np.searchsorted(made.table, threshold[made.nodes])
    words = list(_sets(sets, column, columns, missing_left, split, listed_left=model.listed_left))
    return BoostingArrays(
        parameters=model.parameters,
        node_counts=np.array([len(tree.left) for tree in trees], np.int64),
        children_left=left.astype(np.int32),
        children_right=right.astype(np.int32),
        column=column,
        split=split,
        missing_go_to_left=missing_left.astype(np.uint8),
        leaf_values=value[~inner],
        tree_output=np.array([tree.output for tree in trees], np.int32),
        column_feature=np.array([made.feature for made in columns], np.int32),
        column_kind=np.array([made.kind for made in columns], np.uint8),
        column_length=np.array([len(made.table) for made in columns], np.int32),
        table=np.concatenate([made.table for made in columns]),
        sets=np.concatenate(words) if words else np.empty(0, np.uint32),
        start=model.start,
    )


def _ordered(index: int, tree: Tree) -> Tree:
    """``tree`` with each child after its parent and without nodes that no row reaches, as XGBoost
    leaves them behind where it prunes."""
    count = len(tree.left)
    nodes = np.arange(count)
    inner = tree.left >= 0
    for side in (tree.left, tree.right):
        if np.any(side < -1) or np.any(side >= count) or np.any((side >= 0) != inner):
            raise ValueError(f"Tree {index}: a node has a child that is out of range.")
    children = np.concatenate([tree.left[inner], tree.right[inner]])
    after = np.all(tree.left[inner] > nodes[inner]) and np.all(tree.right[inner] > nodes[inner])
    if after and np.array_equal(np.sort(children), nodes[1:]):
        return tree
    order = [0]
    for node in order:
        if tree.left[node] >= 0:
            order += (int(tree.left[node]), int(tree.right[node]))
        if len(order) > count:
            raise ValueError(f"Tree {index}: a node has two parents.")
    new = np.full(count + 1, -1)  # the last for the -1 of leaves
    new[order] = np.arange(len(order))
    kept = np.array(order)
    picked: dict[str, Any] = {
        name: getattr(tree, name)[kept]
        for name in ("feature", "threshold", "kind", "missing_left", "value")
    }
    return replace(
        tree,
        left=new[tree.left[kept]],
        right=new[tree.right[kept]],
        sets={int(new[node]): held for node, held in tree.sets.items() if new[node] >= 0},
        **picked,
    )


def _columns(model: BoostedModel, nodes: _Nodes) -> tuple[NDArray[np.int32], list[_Column]]:
    """The column of each node, and the columns. A column whose unknown values are refused is there
    even if no node uses it, and there is one at least."""
    kinds = len(ColumnKind)
    pairs = nodes.feature * kinds + nodes.kind
    used = set(np.unique(pairs[nodes.inner]).tolist())
    if model.unknown == ColumnKind.REQUIRED_CATEGORY:
        used |= {place * kinds + int(model.unknown) for place in model.categories}
    ordered = np.array(sorted(used) or [0], np.int64)
    column = np.searchsorted(ordered, np.where(nodes.inner, pairs, ordered[0])).astype(np.int32)
    inner = np.flatnonzero(nodes.inner)
    by_column = inner[np.argsort(column[inner], kind="stable")]
    ends = np.cumsum(np.bincount(column[inner], minlength=len(ordered)))
    columns = []
    for pair, users in zip(ordered.tolist(), np.split(by_column, ends[:-1]), strict=True):
        own, how = pair // kinds, ColumnKind(pair % kinds)
        if own in model.categories and how.is_category:
            columns.append(_named_column(own, how, users, model.categories[own]))
        elif how.is_category:
            held = [nodes.sets[node] for node in users.tolist()]
            table = np.unique(np.concatenate(held)) if held else np.empty(0)
            columns.append(_Column(own, how, users, table.astype(np.float64)))
        else:
            columns.append(_Column(own, how, users, np.unique(nodes.threshold[users])))
        if how.is_category and len(columns[-1].table) > MAX_CATEGORIES:
            raise ValueError(f"Column {own} has more than {MAX_CATEGORIES} categories.")
    return column, columns


def _named_column(
    feature: int, kind: ColumnKind, nodes: NDArray[np.int64], categories: Categories
) -> _Column:
    if all(isinstance(category, str) for category in categories):
        values = np.arange(len(categories), dtype=np.float64)  # a row has the codes of texts
    else:
        values = np.asarray(categories, np.float64)
    order = np.argsort(values)
    table = values[order]
    if np.any(table[1:] == table[:-1]) or np.any(np.isnan(table)):
        raise ValueError(f"Column {feature} has a category twice, or one that is not a number.")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return _Column(feature, kind, nodes, table, place)


def _sets(
    sets: dict[int, NDArray[np.int64]],
    column: NDArray[np.int32],
    columns: Sequence[_Column],
    missing_left: NDArray[np.bool_],
    split: NDArray[np.uint32],
    *,
    listed_left: bool,
) -> Iterator[NDArray[np.uint32]]:
    """The words of each set in turn; the place of the first is written to ``split``."""
    first = 0
    for node, listed in sorted(sets.items()):
        made = columns[column[node]]
        known = len(made.table)
        words = (known + 2 + 31) // 32
        if first + words > MAX_SET_WORDS:
            raise ValueError("The splits by categories take more than 64 MB.")
        bits = np.full(words * 32, not listed_left)
        if made.place is None:
            bits[np.searchsorted(made.table, listed)] = listed_left
        else:
            # A code without a category is never compared.
            bits[made.place[listed[listed < known]]] = listed_left
        bits[known + 1] = missing_left[node]
        split[node] = first
        first += words
        yield np.packbits(bits, bitorder="little").view("<u4").astype(np.uint32)
