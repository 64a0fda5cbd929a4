"""Reads LightGBM's models from its text files: header, trees, categories of pandas columns.

The format is that of versions v2 to v4 (`gbdt_model_text.cpp` and `tree.cpp` there).
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from registry.engines.boosting.lightgbm_fields import (
    LINEAR_KEYS,
    Fields,
    lines_of,
    read_floats,
    read_integer,
    read_integers,
    read_number,
    read_parts,
)
from registry.engines.boosting.model import BoostedModel, Categories, Tree
from registry.engines.boosting_arrays import Answer, BoostingParameters, ColumnKind, Link
from registry.errors import ArtifactRefused, shown
from registry.signature import MAX_CLASSES, MAX_COLUMNS

_VERSIONS = ("v2", "v3", "v4")
_CATEGORICAL, _DEFAULT_LEFT, _MISSING_SHIFT = 1, 2, 2
_MISSING_KINDS = (ColumnKind.NAN_IS_ZERO, ColumnKind.ZERO_IS_MISSING, ColumnKind.NUMBER)
"""By the type of missing values that a node names: none, zero, NaN."""
_MAX_SET_WORDS = 2**19
"""A category is below 2**24."""
_NUMBERS = frozenset(
    {
        *("regression", "regression_l1", "huber", "fair", "quantile", "mape"),
        *("lambdarank", "rank_xendcg", "custom", "none"),
    }
)
_POSITIVE = frozenset(["poisson", "gamma", "tweedie"])


def read_lightgbm(
    data: bytes,
    text_columns: Sequence[int] | None = (),
    *,
    iterations: int = 0,
    most_columns: int = MAX_COLUMNS,
) -> BoostedModel:
    """The model in ``data``, of at most ``most_columns`` columns, with the trees of the first
    ``iterations`` if that is positive.

    ``text_columns``: the columns that are declared as texts, which decides where the file leaves
    open to which columns its lists of categories belong; None: these lists are not read. Raises
    ArtifactRefused.
    """
    try:
        lines = lines_of(data)
    except UnicodeDecodeError as error:
        raise ArtifactRefused(f"The artifact is not a LightGBM model: {error}") from error
    if lines[0].strip() != "tree":
        raise ArtifactRefused("The artifact is not a LightGBM model: its first line is not 'tree'.")
    header, blocks, rest = read_parts(lines[1:])
    if header.get("version") not in _VERSIONS:
        raise ArtifactRefused(
            f"The LightGBM model's version is {shown(header.get('version', ''))}: expected one of "
            f"{', '.join(_VERSIONS)}."
        )
    features = read_integer(header, "max_feature_idx") + 1
    outputs = read_integer(header, "num_tree_per_iteration")
    if not 1 <= features <= most_columns or not 1 <= outputs <= MAX_CLASSES:
        raise ArtifactRefused(f"The LightGBM model has {features} columns and {outputs} outputs.")
    answer, link, scale = _objective(header, outputs)
    if not blocks or len(blocks) % outputs:
        raise ArtifactRefused(f"The LightGBM model has {len(blocks)} trees for {outputs} outputs.")
    if iterations > 0:
        blocks = blocks[: iterations * outputs]
    rounds = len(blocks) // outputs
    names = header.get("feature_names", "").split(" ")
    if len(names) != features:
        raise ArtifactRefused("The LightGBM model's feature_names do not fit its columns.")
    infos = header.get("feature_infos", "").split(" ")
    return BoostedModel(
        names=tuple(names),
        parameters=BoostingParameters(
            n_features=features,
            answer=answer,
            link=link,
            scale=scale,
            divisor=float(rounds) if "average_output" in header else 1.0,
            tiny_is_zero=True,
        ),
        trees=[_tree(index, block, index % outputs) for index, block in enumerate(blocks)],
        start=np.zeros(outputs),
        replaces_blanks=True,
        categories={} if text_columns is None else _categories(rest, infos, text_columns),
        about={"objective": header.get("objective", "custom"), "trees": len(blocks)},
        environment={"lightgbm-model": header["version"]},
    )


def has_pandas_categories(data: bytes) -> bool:
    """Whether the model in ``data`` was trained on pandas columns with categories.

    Raises ArtifactRefused.
    """
    return bool(_pandas_lists(lines_of(data)))


def _objective(header: Fields, outputs: int) -> tuple[Answer, Link, float]:
    """What the outputs mean, how they are made of the sums, and the scale of a sigmoid."""
    text = header.get("objective", "custom")
    name, *options = text.split(" ")
    settings = dict(option.partition(":")[::2] for option in options)
    scale = read_number(settings.get("sigmoid", "1"))
    found: tuple[Answer, Link, float] | None = None
    if name == "multiclass" and outputs > 1:
        found = "shares", Link.SOFTMAX, 1.0
    elif name == "multiclassova" and outputs > 1:
        found = "shares", Link.LOGISTIC, scale
    elif outputs > 1:
        raise ArtifactRefused(
            f"The LightGBM model has {outputs} outputs with the objective {shown(text)}: train "
            "with 'multiclass' or 'multiclassova'."
        )
    elif name == "binary":
        found = "second", Link.LOGISTIC, scale
    elif name == "cross_entropy":
        found = "value", Link.LOGISTIC, 1.0
    elif name == "cross_entropy_lambda":
        found = "value", Link.SOFTPLUS, 1.0
    elif name in _POSITIVE:
        found = "value", Link.EXP, 1.0
    elif name in _NUMBERS:
        found = "value", Link.SIGNED_SQUARE if "sqrt" in options else Link.IDENTITY, 1.0
    if found is None:
        raise ArtifactRefused(
            f"The LightGBM objective {shown(text)} is not supported: export the model to ONNX."
        )
    return found


def _tree(index: int, block: Fields, output: int) -> Tree:
    at = f"tree {index}"
    if block.get("is_linear", "0") != "0" or block.keys() & LINEAR_KEYS:
        raise ArtifactRefused(
            "The LightGBM model has linear models at its leaves, which are not supported: train "
            "with linear_tree=false."
        )
    leaves = read_integer(block, "num_leaves")
    inner = leaves - 1
    # A leaf is at least a digit and a space.
    if not 1 <= leaves <= len(block.get("leaf_value", "")):
        raise ArtifactRefused(f"The LightGBM model's {at} has {leaves} leaves.")
    values = np.zeros(inner + leaves)
    values[inner:] = read_floats(block, "leaf_value", leaves, at)
    none = np.full(inner + leaves, -1)
    if leaves == 1:
        return Tree(
            left=none,
            right=none,
            feature=np.zeros(1, np.int64),
            threshold=np.zeros(1),
            kind=np.zeros(1, np.uint8),
            missing_left=np.zeros(1, np.bool_),
            value=values,
            output=output,
        )
    left, right, feature, decision = none.copy(), none.copy(), none.copy(), none * 0
    feature[:inner] = read_integers(block, "split_feature", inner, at)
    decision[:inner] = read_integers(block, "decision_type", inner, at)
    for side, name in ((left, "left_child"), (right, "right_child")):
        child = read_integers(block, name, inner, at)
        # A leaf's number is written as its complement; leaves come after all inner nodes here.
        side[:inner] = np.where(child < 0, inner + ~child, child)
        if np.any((child >= inner) | (~child >= leaves)):
            raise ArtifactRefused(f"The LightGBM model's {at} has a child that is out of range.")
    categorical = decision & _CATEGORICAL != 0
    missing = decision >> _MISSING_SHIFT & 3
    if np.any(decision < 0) or np.any(decision > 15) or np.any(missing > 2):
        raise ArtifactRefused(f"The LightGBM model's {at} has an unknown decision type.")
    threshold = np.zeros(inner + leaves)
    threshold[:inner] = read_floats(block, "threshold", inner, at)
    sets = _sets(block, threshold, categorical, at) if categorical.any() else {}
    threshold[categorical] = 0.0
    kinds = np.array(_MISSING_KINDS, np.uint8)[missing]
    return Tree(
        left=left,
        right=right,
        feature=feature,
        threshold=threshold,
        kind=np.where(categorical, np.uint8(ColumnKind.CUT_CATEGORY), kinds),
        missing_left=(decision & _DEFAULT_LEFT != 0) & ~categorical,
        value=values,
        output=output,
        sets=sets,
    )


def _sets(
    block: Fields, threshold: NDArray[np.float64], categorical: NDArray[np.bool_], at: str
) -> dict[int, NDArray[np.int64]]:
    """The categories of each node that splits by them: its threshold is the number of a set."""
    count = read_integer(block, "num_cat")
    if not 1 <= count <= len(threshold):
        raise ArtifactRefused(f"The LightGBM model's {at} has {count} sets of categories.")
    bounds = read_integers(block, "cat_boundaries", count + 1, at)
    words = read_integers(block, "cat_threshold", None, at)
    sizes = np.diff(bounds)
    if (
        bounds[0] != 0
        or bounds[-1] != len(words)
        or np.any(sizes < 0)
        or np.any(sizes > _MAX_SET_WORDS)
        or np.any(words < 0)
        or np.any(words >= 2**32)
    ):
        raise ArtifactRefused(f"The LightGBM model's {at} has invalid sets of categories.")
    numbers = threshold[categorical]
    if np.any(numbers != np.trunc(numbers)) or np.any(numbers < 0) or np.any(numbers >= count):
        raise ArtifactRefused(f"The LightGBM model's {at} names a set of categories out of range.")
    found = {}
    for node, number in zip(
        np.flatnonzero(categorical).tolist(), numbers.astype(np.int64).tolist(), strict=True
    ):
        own = words[bounds[number] : bounds[number + 1]]
        used = np.flatnonzero(own)
        bits = np.unpackbits(own[used].astype("<u4").view(np.uint8), bitorder="little")
        which, bit = np.nonzero(bits.reshape(len(used), 32))
        found[node] = used[which] * 32 + bit
    return found


def _categories(
    lines: Sequence[str], infos: Sequence[str], text_columns: Sequence[int]
) -> dict[int, Categories]:
    """The categories of the pandas columns that it was trained on, by the place of the column."""
    lists = _pandas_lists(lines)
    if not lists:
        return {}
    # The categorical columns have their codes there, and others a range.
    columns = [at for at, info in enumerate(infos) if info[:1] not in {"[", "n", ""}]
    if len(columns) != len(lists):
        columns = list(text_columns)
    if len(columns) != len(lists):
        raise ArtifactRefused(
            f"The LightGBM model has the categories of {len(lists)} pandas columns, and does not "
            "say which these are: ordered or constant ones may be among them. Give exactly these "
            "columns the type 'string' in the signature, or train with integer codes."
        )
    return dict(zip(columns, lists, strict=True))


def _pandas_lists(lines: Sequence[str]) -> list[Categories]:
    prefix = "pandas_categorical:"
    found = next((line for line in reversed(lines) if line.startswith(prefix)), f"{prefix}null")
    try:
        lists: Any = msgspec.json.decode(found.removeprefix(prefix), type=list[list[Any]] | None)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ArtifactRefused(f"The LightGBM model's pandas_categorical is invalid: {error}") from (
            error
        )
    for held in lists or ():
        texts = all(isinstance(each, str) for each in held)
        if not (texts or all(isinstance(each, int | float) for each in held)):
            raise ArtifactRefused(
                "The LightGBM model has a column with categories of different types."
            )
        if len(set(held)) != len(held):
            raise ArtifactRefused("The LightGBM model has a category twice.")
    return lists or []
