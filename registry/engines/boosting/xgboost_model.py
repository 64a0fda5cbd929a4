"""Reads XGBoost's models from its JSON and UBJSON files: trees, categories, objective.

The format is that of XGBoost 1.0 and later (`doc/model.schema` and `src/tree/io_utils.h` there).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.engines.boosting.model import BoostedModel, Categories
from registry.engines.boosting.xgboost_fields import (
    read_count,
    read_document,
    read_integers,
    read_member,
    read_numbers,
)
from registry.engines.boosting.xgboost_trees import read_trees
from registry.engines.boosting_arrays import Answer, BoostingParameters, ColumnKind, Link
from registry.errors import ArtifactRefused, shown
from registry.signature import MAX_CLASSES, MAX_COLUMNS

_Version = tuple[int, ...]

_LEAST_SHARE = np.float32(1e-6)
"""XGBoost 3.2 and later raise a smaller base score to it, and keep as far from 1."""


def _same(score: np.float32, _: _Version) -> float:
    return float(score)


def _logit(score: np.float32, version: _Version) -> float:
    """-logf(1 / score - 1), in floats."""
    if version >= (3, 2) and 0 <= score <= 1:
        score = np.clip(score, _LEAST_SHARE, np.float32(1) - _LEAST_SHARE)
    if not 0 < score < 1:
        raise ArtifactRefused(f"The XGBoost model's base_score is {score}: expected 0 to 1.")
    return -_logarithm(float(np.float32(1) / score - np.float32(1)))


def _log(score: np.float32, _: _Version) -> float:
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
    margin: Callable[[np.float32, _Version], float] = _same


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
    "survival:aft": _Objective("value", Link.ROUNDED_EXP, _log),
    "survival:cox": _POSITIVE,
}


def read_xgboost(
    data: bytes, *, of_estimator: bool = False, most_columns: int = MAX_COLUMNS
) -> BoostedModel:
    """The model in ``data``, JSON or UBJSON, of at most ``most_columns`` columns.

    With early stopping, the trees are those that the library's own ``predict`` uses: up to the best
    iteration where its scikit-learn interface saved the file, else all. ``of_estimator``: ``data``
    is the buffer inside a pickled estimator of that interface. Raises ArtifactRefused.
    """
    whole = read_document(data)
    if of_estimator:
        whole = read_member(whole, "Model", dict)
    learner = read_member(whole, "learner", dict)
    name = read_member(read_member(learner, "objective", dict), "name", str)
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
    params = read_member(learner, "learner_model_param", dict)
    features = read_count(params, "num_feature")
    outputs = max(read_count(params, "num_class", 0), 1)
    if read_count(params, "num_target", 1) > 1:
        raise ArtifactRefused("The XGBoost model predicts several targets: train one for each.")
    if not 1 <= features <= most_columns:
        raise ArtifactRefused(
            f"The XGBoost model takes {features} columns: expected 1 to {most_columns}."
        )
    if (objective.answer in {"highest", "shares"}) != (outputs > 1) or outputs > MAX_CLASSES:
        raise ArtifactRefused(f"The objective {name} does not fit {outputs} outputs.")
    scores = _base_scores(read_member(params, "base_score", str), outputs)
    start = np.array([objective.margin(score, version) for score in scores], np.float32)
    model, weights = _booster(read_member(learner, "gradient_booster", dict))
    used = _used(learner, model, outputs, of_estimator=of_estimator)
    # The estimator predicts in place, where DART's trees are weighed with the start and without it.
    offsets = start if of_estimator else np.zeros(outputs, np.float32)
    trees = read_trees(model, weights, used, offsets)
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


def _version(whole: Mapping[str, Any]) -> _Version:
    return tuple(read_integers(whole, "version", at="the model").tolist()[:3])


def _booster(booster: Mapping[str, Any]) -> tuple[Mapping[str, Any], NDArray[np.float32] | None]:
    """The model of the trees, and DART's weight of each."""
    name = read_member(booster, "name", str)
    if name == "gbtree":
        return read_member(booster, "model", dict), None
    if name == "dart":
        weights = read_numbers(booster, "weight_drop", at="the booster")
        return read_member(read_member(booster, "gbtree", dict), "model", dict), weights
    raise ArtifactRefused(
        f"The XGBoost booster {shown(name)} has no trees. Train with booster='gbtree' or 'dart', "
        "or a linear model of scikit-learn."
    )


def _used(
    learner: Mapping[str, Any], model: Mapping[str, Any], outputs: int, *, of_estimator: bool
) -> int:
    """How many of the trees ``predict`` uses."""
    whole = read_count(read_member(model, "gbtree_model_param", dict), "num_trees")
    attributes = learner.get("attributes")
    if not isinstance(attributes, dict) or "best_iteration" not in attributes:
        return whole
    if "scikit_learn" not in attributes and not of_estimator:
        return whole
    rounds = read_count(attributes, "best_iteration") + 1
    if "iteration_indptr" in model:
        ends = read_integers(model, "iteration_indptr", at="the model")
        return int(ends[rounds]) if rounds < len(ends) else whole
    each = read_count(read_member(model, "gbtree_model_param", dict), "num_parallel_tree", 1)
    return min(whole, rounds * max(each, 1) * outputs)


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
    encoded = whole.get("enc", []) if isinstance(whole, dict) else []
    if not isinstance(encoded, list) or len(encoded) not in {0, features}:
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
            numbers = read_numbers(column, "values", at, np.float64) if values is not None else ()
            if len(numbers):
                # Rows are compared as floats.
                found[index] = [float(np.float32(number)) for number in numbers]
    return found


def _texts(column: Mapping[str, Any], at: str) -> list[str]:
    offsets = read_integers(column, "offsets", at)
    raw = bytes((read_integers(column, "values", at) & 0xFF).astype(np.uint8))
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
