"""A boosted model as its file describes it, before it is compiled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from registry.engines.boosting_arrays import BoostingParameters, ColumnKind

Categories = Sequence[str] | Sequence[float]
"""The categories of a column, in the order of the codes that the trees compare."""


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """The nodes of a tree. ``left`` and ``right`` (int64) are -1 at a leaf.

    A row goes left where its ``feature`` is at most the ``threshold`` (float64), where it is
    missing and ``missing_left`` (bool), or where it is among the categories of ``sets``, which has
    those of each node that splits by categories. ``kind`` (uint8) has a `ColumnKind` for each node.
    ``value`` (float64) is used at leaves.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    kind: NDArray[np.uint8]
    missing_left: NDArray[np.bool_]
    value: NDArray[np.float64]
    output: int
    sets: Mapping[int, NDArray[np.int64]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class BoostedModel:
    """``categories`` has those of each column that the library knows by value.

    ``listed_left``: the categories of a set go left, and all others right; else the reverse.
    ``unknown``: how such a column treats a value that is not among its categories. ``start`` is as
    in `BoostingArrays`. ``replaces_blanks``: ``names`` have underscores in place of blanks.
    ``about`` and ``environment`` describe it for people.
    """

    names: tuple[str, ...] | None
    parameters: BoostingParameters
    trees: Sequence[Tree]
    start: NDArray[np.float64]
    categories: Mapping[int, Categories] = field(default_factory=dict)
    listed_left: bool = True
    unknown: ColumnKind = ColumnKind.NAMED_CATEGORY
    replaces_blanks: bool = False
    about: Mapping[str, str | int | float] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def class_count(self) -> int | None:
        """How many classes it distinguishes; None for a regression."""
        answer = self.parameters.answer
        if answer in {"value", "exp"}:
            return None
        return len(self.start) if answer in {"highest", "shares", "logits"} else 2
