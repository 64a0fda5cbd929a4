"""Boosted trees as plain arrays: all the data needed to predict as their library does."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray


class ColumnKind(IntEnum):
    """How a value of a feature is compared, numbered as in ``boosting_keys.h``."""

    NUMBER = 0
    NAN_IS_ZERO = 1
    ZERO_IS_MISSING = 2
    CATEGORY = 3
    CUT_CATEGORY = 4
    KNOWN_CATEGORY = 5
    NAMED_CATEGORY = 6
    REQUIRED_CATEGORY = 7

    @property
    def is_category(self) -> bool:
        return self >= ColumnKind.CATEGORY


class Link(IntEnum):
    """What the sums of a row become, numbered as in ``boosting_links.h``."""

    IDENTITY = 0
    FLOAT_LOGISTIC = 1
    FLOAT_EXP = 2
    FLOAT_SOFTMAX = 3
    HINGE = 4
    LOGISTIC = 5
    EXP = 6
    SOFTMAX = 7
    SIGNED_SQUARE = 8
    SOFTPLUS = 9
    ROUNDED_EXP = 10


Answer = Literal[
    "value", "second", "place", "highest", "shares", "logit", "logit_or_zero", "logits", "exp"
]  # fmt: skip
"""What the linked outputs mean: a number; the probability of the second class; the place of a
class; scores, of which the highest decides; probabilities of all classes. The last four are
scikit-learn's own: its logistic function, softmax or exp of the outputs. With ``logit_or_zero`` an
output of zero is of the second class."""


class BoostingParameters(msgspec.Struct, frozen=True, kw_only=True):
    """How rows are read, and how their sums become predictions.

    ``casts``: features become float32 first. ``single``: sums are float32. ``divisor`` divides the
    sums, and ``scale`` multiplies them before the logistic function. ``tiny_is_zero``: numbers up
    to 1e-35 count as zero. ``allows_missing``: rows may have NaN; checked with ``casts`` only.
    """

    n_features: int
    answer: Answer
    link: Link = Link.IDENTITY
    scale: float = 1.0
    divisor: float = 1.0
    casts: bool = False
    single: bool = False
    tiny_is_zero: bool = False
    allows_missing: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class BoostingArrays:
    """The nodes of one tree after the other, numbered within each tree from 0.

    - ``node_counts`` (trees), int64; ``tree_output`` (trees), int32: the sum that a tree adds to.
    - ``children_left``, ``children_right`` (nodes), int32: numbers within the tree; -1 at a leaf.
    - ``column`` (nodes), int32: which column of keys is compared.
    - ``split`` (nodes), uint32: the place of the threshold in the column's table, where a row goes
      left with a value of at most the threshold; or the word of ``sets`` where the categories that
      go left begin, a bit for each of the table, one for others, one for missing values.
    - ``missing_go_to_left`` (nodes), uint8.
    - ``leaf_values`` (leaves), float64, in the order of the nodes.
    - ``column_feature``, ``column_length``, int32, and ``column_kind``, uint8 (columns): the
      feature of each, the count of its numbers in ``table`` (float64), and a `ColumnKind`.
    - ``start`` (outputs), float64: what each sum begins with.

    Checked by the kernel.
    """

    parameters: BoostingParameters
    node_counts: NDArray[np.int64]
    children_left: NDArray[np.int32]
    children_right: NDArray[np.int32]
    column: NDArray[np.int32]
    split: NDArray[np.uint32]
    missing_go_to_left: NDArray[np.uint8]
    leaf_values: NDArray[np.float64]
    tree_output: NDArray[np.int32]
    column_feature: NDArray[np.int32]
    column_kind: NDArray[np.uint8]
    column_length: NDArray[np.int32]
    table: NDArray[np.float64]
    sets: NDArray[np.uint32]
    start: NDArray[np.float64]
