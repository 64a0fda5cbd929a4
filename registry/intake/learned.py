"""What a fitted model stores about the columns of its training: ranges, edges, categories."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.formats.kept_values import chosen_columns, routes
from registry.formats.used_columns import DROPPED, model_columns

_MOST_THRESHOLDS = 2_000
Traced = list[tuple[int, float, float] | None]
"""For each column that a step returns, the model's own column that it comes from, and the mean and
scale that were removed from it; None where it comes from something else."""


@dataclass(slots=True)
class Learned:
    """About one column: finite numbers that matter to the model, texts that it knows, and terms
    that it searches in texts."""

    numbers: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    texts: list[str] = field(default_factory=list)
    terms: list[str] = field(default_factory=list)

    def add(self, values: Any) -> None:
        items = np.asarray(values, dtype=object).ravel().tolist()
        self.texts += [item for item in items if isinstance(item, str)]
        numbers = np.array([x for x in items if isinstance(x, int | float)], dtype=np.float64)
        self.numbers = np.concatenate([self.numbers, numbers[np.isfinite(numbers)]])


def learn(model: Any, names: Sequence[str]) -> list[Learned]:
    """What ``model`` knows about each of the columns ``names`` of its signature."""
    learned = [Learned() for _ in names]
    columns = model_columns(model, names)
    for step, seen in routes(model, columns):
        for index, column in enumerate(seen):
            for values in _kept(step, index):
                learned[column].add(values)
            if hasattr(step, "terms_"):
                learned[column].terms += step.terms_[index].split()
            if isinstance(getattr(step, "vocabulary_", None), dict):
                learned[column].terms += step.vocabulary_
    _add_thresholds(model, columns, learned)
    return learned


def _kept(step: Any, index: int) -> list[Any]:
    """What ``step`` stores about its input column ``index``."""
    kept = [
        getattr(step, name)[index]
        for name in ("categories_", "statistics_", "data_min_", "data_max_", "fill_", "bin_edges_")
        if getattr(step, name, None) is not None
    ]
    kept += [list(step.edges)] if hasattr(step, "edges") else []
    kept += [[step.threshold]] if type(step).__name__ == "Binarizer" else []
    if hasattr(step, "bsplines_"):
        knots = step.bsplines_[index].t
        kept.append([knots[step.degree], knots[-step.degree - 1]])
    means = getattr(step, "mean_", None)
    scales = getattr(step, "scale_", None)
    if means is not None and scales is not None and len(means) == len(scales):
        kept.append([means[index] + times * scales[index] for times in (0.0, -3.0, 3.0)])
    return kept


def _add_thresholds(model: Any, columns: Sequence[int], learned: list[Learned]) -> None:
    traced: Traced = [None if column == DROPPED else (column, 0.0, 1.0) for column in columns]
    while hasattr(model, "steps") or hasattr(model, "regressor_"):
        for _, step in getattr(model, "steps", [])[:-1]:
            traced = _trace(step, traced)
        model = model.steps[-1][1] if hasattr(model, "steps") else model.regressor_
    splits = _splits(model)
    if splits is None:
        return
    features, thresholds = splits
    order = np.argsort(features, kind="stable")
    starts = np.searchsorted(features, np.arange(len(traced) + 1), sorter=order)
    for feature, origin in enumerate(traced):
        if origin is not None:
            column, mean, scale = origin
            edges = np.unique(thresholds[order[starts[feature] : starts[feature + 1]]])
            step = max(1, len(edges) // _MOST_THRESHOLDS)
            learned[column].add(edges[::step] * scale + mean)


def _splits(model: Any) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """The feature and the threshold of each node of a model of trees."""
    if hasattr(model, "splits"):  # that of XGBoost or LightGBM
        found: tuple[NDArray[Any], NDArray[Any]] = model.splits()
        return found
    members = np.asarray(getattr(model, "estimators_", [model]), dtype=object).ravel()
    trees = [member.tree_ for member in members if hasattr(member, "tree_")]
    if not trees:
        return None
    return (
        np.concatenate([tree.feature for tree in trees]),
        np.concatenate([tree.threshold for tree in trees]),
    )


def _trace(step: Any, traced: Traced) -> Traced:
    name = type(step).__name__
    if step is None or step == "passthrough":
        return traced
    if name == "Pipeline":
        for _, inner in step.steps:
            traced = _trace(inner, traced)
        return traced
    if name == "ColumnTransformer":
        return _trace_columns(step, traced)
    if name == "StandardScaler":
        return [_scaled(step, index, origin) for index, origin in enumerate(traced)]
    if name in {"SimpleImputer", "FunctionTransformer"} and not getattr(step, "add_indicator", 0):
        return traced
    return []


def _trace_columns(step: Any, traced: Traced) -> Traced:
    """By the slices that the fitted transformer stores for the output of each of its parts."""
    width = max((part.stop for part in step.output_indices_.values()), default=0)
    made: Traced = [None] * width
    for name, inner, chosen in step.transformers_:
        part = step.output_indices_.get(name)
        if part is None or (isinstance(inner, str) and inner == "drop"):
            continue
        seen = chosen_columns(step, chosen, list(range(len(traced))))
        inside = _trace(inner, [traced[index] for index in seen])
        if len(inside) == part.stop - part.start:
            made[part] = inside
    return made


def _scaled(
    step: Any, index: int, origin: tuple[int, float, float] | None
) -> tuple[int, float, float] | None:
    if origin is None:
        return None
    column, mean, scale = origin
    own_mean = 0.0 if step.mean_ is None or not step.with_mean else float(step.mean_[index])
    own_scale = 1.0 if step.scale_ is None else float(step.scale_[index])
    return column, mean + own_mean * scale, scale * own_scale
