"""Reads the fields of LightGBM's text files, and checks their types."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.errors import ArtifactRefused, shown

_TREE_KEYS = frozenset(
    {
        *("num_leaves", "num_cat", "split_feature", "split_gain", "threshold", "decision_type"),
        *("left_child", "right_child", "leaf_value", "leaf_weight", "leaf_count", "shrinkage"),
        *("internal_value", "internal_weight", "internal_count", "cat_boundaries"),
        *("cat_threshold", "is_linear"),
    }
)
LINEAR_KEYS = frozenset({"leaf_const", "num_features", "leaf_features", "leaf_coeff"})
"""The fields of trees with linear models at their leaves."""

Fields = dict[str, str]


def lines_of(data: bytes) -> list[str]:
    """The lines of a file, which end as in LightGBM (``Common::GetLine``): a name of a feature may
    have other characters that end a line elsewhere, such as U+2028.

    Raises UnicodeDecodeError.
    """
    return re.split("\r\n?|\n", data.decode())


def read_parts(lines: Sequence[str]) -> tuple[Fields, list[Fields], Sequence[str]]:
    """The fields of the header and of each tree, and the lines after the trees.

    Raises ArtifactRefused, as all here do.
    """
    header: Fields = {}
    blocks: list[Fields] = []
    block = header
    for number, line in enumerate(lines):
        if line == "end of trees":
            return header, blocks, lines[number + 1 :]
        if not line.strip():
            continue
        name, equals, value = line.partition("=")
        if name == "Tree":
            if value != str(len(blocks)):
                raise ArtifactRefused(f"The LightGBM model's tree {len(blocks)} is missing.")
            block = {}
            blocks.append(block)
            continue
        is_known = block is header or (equals and name in _TREE_KEYS | LINEAR_KEYS)
        if name in block or not is_known:
            at = f"tree {len(blocks) - 1}" if blocks else "header"
            raise ArtifactRefused(
                f"The LightGBM model's {at} has the field {shown(name)}, which is unknown or there "
                "twice."
            )
        block[name] = value
    raise ArtifactRefused("The LightGBM model is truncated: it has no line 'end of trees'.")


def read_integer(fields: Fields, name: str) -> int:
    """An integer of at least 0."""
    text = fields.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ArtifactRefused(
            f"The LightGBM model has the invalid {name} {shown(text)}: expected an integer."
        )
    return int(text)


def read_number(text: str) -> float:
    """The finite number that ``text`` is."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e300:
        raise ArtifactRefused(f"The LightGBM model has the invalid number {shown(text)}.")
    return value


def read_integers(fields: Fields, name: str, count: int | None, at: str) -> NDArray[np.int64]:
    """The list ``name``, which must have ``count`` integers, any number of them if None."""
    return _list(fields, name, count, at, np.int64)


def read_floats(fields: Fields, name: str, count: int, at: str) -> NDArray[np.float64]:
    """The list ``name``, which must have ``count`` numbers."""
    return _list(fields, name, count, at, np.float64)


def _list(fields: Fields, name: str, count: int | None, at: str, kind: type) -> NDArray[Any]:
    try:
        made: NDArray[Any] = np.array(fields.get(name, "").split(), kind)
    except (ValueError, OverflowError) as error:
        raise ArtifactRefused(
            f"The LightGBM model's {name} of {at} is invalid: {error}"[:300]
        ) from error
    if count is not None and len(made) != count:
        raise ArtifactRefused(
            f"The LightGBM model's {name} of {at} has {len(made)} numbers: expected {count}."
        )
    return made
