"""Reads XGBoost's models from its JSON and UBJSON files: trees, categories, objective.

The format is that of XGBoost 1.0 and later (`doc/model.schema` and `src/tree/io_utils.h` there).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from registry.engines.boosting.model import BoostedModel, Categories, Tree
from registry.engines.boosting.ubjson import read_ubjson
from registry.engines.boosting_arrays import Answer, BoostingParameters, ColumnKind, Link
from registry.errors import ArtifactRefused, shown
from registry.signature import MAX_CLASSES, MAX_COLUMNS

_LARGEST_CATEGORY = 2**24 - 1
T = TypeVar("T")


def _same(score: np.float32) -> float:
    return float(score)


def _logit(score: np.float32) -> float:
    """-logf(1 / score - 1), in floats."""
    if not 0 < score < 1:
        raise ArtifactRefused(f"The XGBoost model's base_score is {score}: expected 0 to 1.")
    return -_logarithm(float(np.float32(1) / score - np.float32(1)))


def _log(score: np.float32) -> float:
    if not score > 0:
        raise ArtifactRefused(f"The XGBoost model's base_score is {score}: expected above 0.")
    return _logarithm(float(score))


def _logarithm(number: float) -> float:
    from registry.engines.boosting_kernel import logarithm

    return logarithm(number)


@dataclass(frozen=True, slots=True)
class _Objective:
    """What the outputs mean, how they are made of the sums, and how a base score becomes the number
    with which a sum begins."""

    answer: Answer = "value"
    link: Link = Link.IDENTITY
    margin: Callable[[np.float32], float] = _same


_POSITIVE = _Objective("value", Link.FLOAT_EXP, _log)
_OBJECTIVES: Mapping[str, _Objective] = {
    "binary:hinge": _Objective("place", Link.HINGE),
    "binary:logistic": _Objective("second", Link.FLOAT_LOGISTIC, _logit),
    "binary:logitraw": _Objective(),
    "count:poisson": _POSITIVE,
    "multi:softmax": _Objective("highest"),
    "multi:softprob": _Objective("shares", Link.FLOAT_SOFTMAX),
    "rank:map": _Objective(),
    "rank:ndcg": _Objective(),
    "rank:pairwise": _Objective(),
    "reg:absoluteerror": _Objective(),
    "reg:gamma": _POSITIVE,
    "reg:linear": _Objective(),
    "reg:logistic": _Objective("value", Link.FLOAT_LOGISTIC, _logit),
    "reg:pseudohubererror": _Objective(),
    "reg:quantileerror": _Objective(),
    "reg:squarederror": _Objective(),
    "reg:squaredlogerror": _Objective(),
    "reg:tweedie": _POSITIVE,
    "survival:aft": _POSITIVE,
    "survival:cox": _POSITIVE,
}


def read_xgboost(data: bytes, *, of_estimator: bool = False) -> BoostedModel:
    """The model in ``data``, JSON or UBJSON.

    With early stopping, the trees are those that the library's own ``predict`` uses: up to the best
    iteration where its scikit-learn interface saved the file, else all. ``of_estimator``: ``data``
    is the buffer inside a pickled estimator of that interface. Raises ArtifactRefused.
    """
    whole = _document(data)
    if of_estimator:
        whole = _member(whole, "Model", dict)
    learner = _member(whole, "learner", dict)
    name = _member(_member(learner, "objective", dict), "name", str)
    if (objective := _OBJECTIVES.get(name)) is None:
        raise ArtifactRefused(
            f"The XGBoost objective {shown(name)} is not supported. Train with one of "
            f"{', '.join(_OBJECTIVES)}, or export the model to ONNX."
        )
    version = _version(whole)
    if name == "binary:logitraw" and version < (3, 1):
        # Earlier releases gave the base score of this objective another meaning.
        raise ArtifactRefused(
            "A model with the objective binary:logitraw was saved by an XGBoost before 3.1: load "
            "and save it with a later release, or train with binary:logistic."
        )
    params = _member(learner, "learner_model_param", dict)
    features, outputs = _count(params, "num_feature"), max(_count(params, "num_class", 0), 1)
    if _count(params, "num_target", 1) > 1:
        raise ArtifactRefused("The XGBoost model predicts several targets: train one for each.")
    if not 1 <= features <= MAX_COLUMNS:
        raise ArtifactRefused(
            f"The XGBoost model takes {features} columns: expected 1 to {MAX_COLUMNS}."
        )
    if (objective.answer in {"highest", "shares"}) != (outputs > 1) or outputs > MAX_CLASSES:
        raise ArtifactRefused(f"The objective {name} does not fit {outputs} outputs.")
    scores = _base_scores(_member(params, "base_score", str), outputs)
    start = np.array([objective.margin(score) for score in scores], np.float32)
    model, weights = _booster(_member(learner, "gradient_booster", dict))
    used = _used(learner, model, outputs, of_estimator=of_estimator)
    # The estimator predicts in place, where DART's trees are weighed with the start and without it.
    offsets = start if of_estimator else np.zeros(outputs, np.float32)
    trees = _trees(model, weights, used, offsets)
    return BoostedModel(
        names=_names(learner, features),
        parameters=BoostingParameters(
            n_features=features,
            answer=objective.answer,
            link=objective.link,
            casts=True,
            single=True,
        ),
        trees=trees,
        start=start.astype(np.float64),
        categories=_categories(model, features),
        listed_left=False,
        unknown=ColumnKind.REQUIRED_CATEGORY,
        about={"objective": name, "trees": len(trees), "base_score": float(scores[0])},
        environment={"xgboost": ".".join(map(str, version))},
    )


def _document(data: bytes) -> dict[str, Any]:
    # After the brace, JSON has a quote or a space, and UBJSON the type of a length.
    is_json = data[:1] == b"{" and data[1:2] in b'" \t\r\n'
    try:
        whole = msgspec.json.decode(data) if is_json else read_ubjson(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ArtifactRefused(f"The artifact is not an XGBoost model: {error}") from error
    if not isinstance(whole, dict):
        raise ArtifactRefused("The artifact is not an XGBoost model: expected an object.")
    return whole


def _member(value: Mapping[str, Any], name: str, kind: type[T]) -> T:
    found = value.get(name)
    if not isinstance(found, kind) or isinstance(found, bool):
        raise ArtifactRefused(
            f"The XGBoost model has no valid '{name}': expected {_WORDS.get(kind, kind.__name__)}."
        )
    return found


_WORDS: Mapping[type, str] = {dict: "an object", str: "a text", int: "an integer"}


def _count(params: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """A number of things, which XGBoost writes as a text."""
    if name not in params and default is not None:
        return default
    text = _member(params, name, str)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ArtifactRefused(f"The XGBoost model has the invalid {name} {shown(text)}.")
    return int(text)


def _base_scores(text: str, outputs: int) -> list[np.float32]:
    """One for each output. XGBoost 3.1 and later write a list."""
    try:
        with np.errstate(over="ignore"):
            scores = [np.float32(part) for part in text.strip().strip("[]").split(",")]
    except ValueError:
        scores = []
    if not scores or not np.isfinite(scores).all() or len(scores) not in {1, outputs}:
        raise ArtifactRefused(f"The XGBoost model has the invalid base_score {shown(text)}.")
    return scores if len(scores) == outputs else scores * outputs


def _version(whole: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(_integers(whole, "version", at="the model").tolist()[:3])


def _booster(booster: Mapping[str, Any]) -> tuple[Mapping[str, Any], NDArray[np.float32] | None]:
    """The model of the trees, and DART's weight of each."""
    name = _member(booster, "name", str)
    if name == "gbtree":
        return _member(booster, "model", dict), None
    if name == "dart":
        weights = _numbers(booster, "weight_drop", at="the booster")
        return _member(_member(booster, "gbtree", dict), "model", dict), weights
    raise ArtifactRefused(
        f"The XGBoost booster {shown(name)} has no trees. Train with booster='gbtree' or 'dart', "
        "or a linear model of scikit-learn."
    )


def _used(
    learner: Mapping[str, Any], model: Mapping[str, Any], outputs: int, *, of_estimator: bool
) -> int:
    """How many of the trees ``predict`` uses."""
    whole = _count(_member(model, "gbtree_model_param", dict), "num_trees")
    attributes = learner.get("attributes")
    if not isinstance(attributes, dict) or "best_iteration" not in attributes:
        return whole
    if "scikit_learn" not in attributes and not of_estimator:
        return whole
    rounds = _count(attributes, "best_iteration") + 1
    if "iteration_indptr" in model:
        ends = _integers(model, "iteration_indptr", at="the model")
        return int(ends[rounds]) if rounds < len(ends) else whole
    each = _count(_member(model, "gbtree_model_param", dict), "num_parallel_tree", 1)
    return min(whole, rounds * max(each, 1) * outputs)


def _trees(
    model: Mapping[str, Any],
    weights: NDArray[np.float32] | None,
    used: int,
    offsets: NDArray[np.float32],
) -> list[Tree]:
    trees = _member(model, "trees", list)
    groups = _integers(model, "tree_info", at="the model")
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
    if _count(_member(node, "tree_param", dict), "size_leaf_vector", 0) > 1:
        raise ArtifactRefused(
            "The XGBoost model has trees with vectors at their leaves: train with "
            "multi_strategy='one_output_per_tree'."
        )
    left, right = _integers(node, "left_children", at), _integers(node, "right_children", at)
    feature = _integers(node, "split_indices", at)
    conditions = _numbers(node, "split_conditions", at)
    default_left = _integers(node, "default_left", at) != 0
    categorical = np.zeros(len(left), np.bool_)
    if "split_type" in node:
        categorical = _integers(node, "split_type", at) != 0
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
    listed = _integers(node, "categories", at)
    nodes = _integers(node, "categories_nodes", at)
    starts, sizes = (_integers(node, f"categories_{name}", at) for name in ("segments", "sizes"))
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


def _names(learner: Mapping[str, Any], features: int) -> tuple[str, ...] | None:
    names = learner.get("feature_names") or None
    if names is None:
        return None
    if (
        not isinstance(names, list)
        or len(names) != features
        or not all(isinstance(name, str) for name in names)
    ):
        raise ArtifactRefused("The XGBoost model's feature_names do not fit its columns.")
    return tuple(names)


def _categories(model: Mapping[str, Any], features: int) -> dict[int, Categories]:
    """The categories of each column that was trained with them (XGBoost 3.1 and later)."""
    whole = model.get("cats")
    encoded = whole.get("enc") if isinstance(whole, dict) else None
    if encoded is None or not len(encoded):
        return {}
    if not isinstance(encoded, list) or len(encoded) != features:
        raise ArtifactRefused("The XGBoost model's categories do not fit its columns.")
    found: dict[int, Categories] = {}
    for index, column in enumerate(encoded):
        if not isinstance(column, dict):
            raise ArtifactRefused(f"The XGBoost model's categories of column {index} are invalid.")
        at = f"column {index}"
        if "offsets" in column:
            texts = _texts(column, at)
            if texts:
                found[index] = texts
        else:
            values = column.get("values")
            numbers = _numbers(column, "values", at, np.float64) if values is not None else ()
            if len(numbers):
                # Rows are compared as floats.
                found[index] = [float(np.float32(number)) for number in numbers]
    return found


def _texts(column: Mapping[str, Any], at: str) -> list[str]:
    offsets = _integers(column, "offsets", at)
    raw = bytes((_integers(column, "values", at) & 0xFF).astype(np.uint8))
    if not len(offsets):
        return []
    if offsets[0] != 0 or offsets[-1] != len(raw) or np.any(np.diff(offsets) < 0):
        raise ArtifactRefused(f"The XGBoost model's categories of {at} are invalid.")
    try:
        texts = [
            raw[start:end].decode()
            for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
        ]
    except UnicodeDecodeError as error:
        raise ArtifactRefused(f"A category of {at} is not UTF-8: {error}") from error
    if len(set(texts)) != len(texts):
        raise ArtifactRefused(f"The XGBoost model has a category of {at} twice.")
    return texts


def _integers(value: Mapping[str, Any], name: str, at: str) -> NDArray[np.int64]:
    """A list of integers that fit in 32 bits."""
    array = _array(value, name, at)
    if array.dtype.kind not in "biu" and len(array):
        raise ArtifactRefused(f"The XGBoost model's '{name}' of {at} has other than integers.")
    if len(array) and (array.min() < -(2**31) or array.max() >= 2**31):
        raise ArtifactRefused(f"The XGBoost model's '{name}' of {at} has an integer out of range.")
    return array.astype(np.int64)


def _numbers(value: Mapping[str, Any], name: str, at: str, kind: type = np.float32) -> NDArray[Any]:
    array = _array(value, name, at)
    if array.dtype.kind not in "iuf" and len(array):
        raise ArtifactRefused(f"The XGBoost model's '{name}' of {at} has other than numbers.")
    with np.errstate(over="ignore"):
        return array.astype(kind)


def _array(value: Mapping[str, Any], name: str, at: str) -> NDArray[Any]:
    found = value.get(name)
    if isinstance(found, np.ndarray):
        return found
    if not isinstance(found, list):
        raise ArtifactRefused(f"The XGBoost model has no valid '{name}' of {at}: expected a list.")
    try:
        array = np.array(found) if found else np.empty(0)
    except (ValueError, OverflowError) as error:
        raise ArtifactRefused(f"The XGBoost model's '{name}' of {at} is invalid.") from error
    if array.ndim != 1:
        raise ArtifactRefused(f"The XGBoost model's '{name}' of {at} is not a flat list.")
    return array
