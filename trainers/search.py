"""Finds the best parameters of a recipe's search by cross-validation."""

import math
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from hotswap.evaluation.predicted import predict
from hotswap.fitted.surroundings import environment
from hotswap.metrics.names import HIGHER_IS_BETTER
from registry.signature import Task
from trainers.candidates import Candidate, candidates
from trainers.cluster.connection import Cluster
from trainers.errors import SearchRefused
from trainers.estimators import family_of
from trainers.evaluation import Rows
from trainers.fitting import Progress, notes_of, one_thread, refusals
from trainers.preparing import Ready
from trainers.recipe import Recipe
from trainers.search_space import DEFAULT_METRIC, Search
from trainers.split import Indices

MAX_KEPT = 50


@dataclass(frozen=True, slots=True)
class Found:
    """``params`` are the best of a search; ``record`` is JSON, kept with the version."""

    params: Candidate
    record: dict[str, Any]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class _Copy:
    """What a candidate fits: ``pipeline`` with ``params``; ``is_parallel``: it could use all
    cores."""

    pipeline: Pipeline
    params: Candidate
    is_parallel: bool

    def made(self) -> Pipeline:
        own = clone(self.pipeline)
        own[-1].set_params(**self.params)
        if self.is_parallel:
            # All cores are in use for other candidates.
            own[-1].set_params(n_jobs=None)
        return own


def search(
    recipe: Recipe,
    rule: Search,
    pipeline: Pipeline,
    ready: Ready,
    progress: Progress | None = None,
    *,
    cluster: Cluster | None = None,
) -> Found:
    """Fit a copy of ``pipeline`` for each candidate and fold, on all cores of this machine or of
    ``cluster``, and measure it on the rows that the fold leaves out.

    The best has the best mean over the folds; among equals, the first. The result does not depend
    on the number of cores. Raises ParameterRefused, FitRefused, SearchRefused, ClusterFailed.
    """
    family, task, folds = family_of(recipe.kind), ready.target.task, ready.folds
    tried = candidates(rule, recipe.seed)
    metric = rule.metric or DEFAULT_METRIC[task]
    tasks = (
        delayed(_measured)(
            ready.rows.features,
            ready.rows.target,
            fold.train,
            fold.test,
            candidate=_Copy(pipeline, params, family.parallel),
            task=task,
            metric=metric,
        )
        for params in tried
        for fold in folds
    )
    count = len(tried) * len(folds)
    figures = []
    with (
        warnings.catch_warnings(record=True) as caught,
        refusals(family),
        one_thread(),
        _on(cluster, pipeline),
    ):
        warnings.simplefilter("always")
        # Threads suffice, because trees are grown without Python's lock; they share the rows.
        made = Parallel(n_jobs=-1, prefer="threads", return_as="generator")(tasks)
        for figure in made:
            figures.append(figure)
            if progress is not None:
                progress(len(figures), count)
    scores = np.array(figures).reshape(len(tried), len(folds))
    means = scores.mean(axis=1)
    if not np.isfinite(means).any():
        raise SearchRefused(metric, "it could not be measured for any candidate on every fold")
    signed = means if metric in HIGHER_IS_BETTER else -means
    order = np.argsort(-np.where(np.isfinite(signed), signed, -math.inf), kind="stable")
    record = {
        "method": rule.method,
        "metric": metric,
        "folds": len(folds),
        "candidates": len(tried),
        "best": tried[order[0]],
        "tried": [_tried(tried[at], scores[at]) for at in order[:MAX_KEPT]],
    }
    # Sorted, because the tasks end in varying order.
    return Found(tried[order[0]], record, sorted(notes_of(caught)))


def _on(cluster: Cluster | None, pipeline: Pipeline) -> AbstractContextManager[None]:
    return nullcontext() if cluster is None else cluster.parallel(environment(pipeline))


def _measured(
    features: Any,
    target: NDArray[Any],
    train: Indices,
    test: Indices,
    *,
    candidate: _Copy,
    task: Task,
    metric: str,
) -> float:
    """The figure of ``candidate`` on the rows ``test``, fitted on ``train``; NaN where the metric
    is undefined. Large arguments are separate, because a cluster keeps each of them once."""
    own = candidate.made()
    rows = Rows(features, target)
    fitted, measured = rows.take(train), rows.take(test)
    own.fit(fitted.features, fitted.target)
    predicted = predict(own, task, measured.features, measured.target)
    return predicted.metrics().get(metric, math.nan)


def _tried(params: Candidate, scores: Any) -> dict[str, Any]:
    if not np.isfinite(scores).all():
        return {"params": params, "mean": None, "std": None}
    return {"params": params, "mean": float(scores.mean()), "std": float(scores.std())}
