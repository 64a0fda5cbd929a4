"""Fits pipelines so that the same inputs give the same model on any number of cores.

Trees and forests use all cores: each tree has its own seed, so it does not matter which core, or
which worker of a cluster, grows it. The matrix products of linear models run on one core, because
several would add the numbers in another order.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from hotswap.fitted.surroundings import environment
from trainers.cluster.connection import Cluster
from trainers.errors import FitRefused, ParameterRefused
from trainers.estimators.family import Family
from trainers.features import forget_folds

Progress = Callable[[int, int], None]
"""Called with the number of parts done and the number of all parts."""

PARTS = 10
"""In how many parts a forest is grown at most, where progress is shown."""
TREES_EACH = 5
"""How many trees of a part each core grows at least: at the end of a part the cores wait for the
last tree."""

_XGBOOST_PLACE = re.compile(r"\[[0-9:]+\] \S+:[0-9]+: ")
"""The time and the line of XGBoost's source before an error; its stack trace follows it."""


@contextmanager
def one_thread() -> Iterator[None]:
    """In this block, numpy's and scipy's matrix products and scikit-learn's loops use one core."""
    with threadpool_limits(limits=1):
        yield


def fit(
    pipeline: Pipeline,
    features: Any,
    target: NDArray[Any],
    family: Family,
    progress: Progress | None = None,
    *,
    cluster: Cluster | None = None,
) -> list[str]:
    """Fit in place; returns scikit-learn's warnings, each once.

    With ``progress`` a forest is grown in parts, and with ``cluster`` on its workers; the trees are
    the same. Raises ParameterRefused, FitRefused, ClusterFailed.
    """
    with warnings.catch_warnings(record=True) as caught, refusals(family), one_thread():
        warnings.simplefilter("always")
        if cluster is not None and family.parallel:
            _fit_on(cluster, pipeline, features, target, progress)
        elif progress is not None and _grows_in_parts(pipeline[-1]):
            _grow(pipeline, features, target, progress)
        else:
            pipeline.fit(features, target)
    forget_folds(pipeline)
    if family.parallel:
        # Threads would add the trees' results in varying order, so the last bits would differ.
        pipeline[-1].set_params(n_jobs=None)
    return notes_of(caught)


@contextmanager
def refusals(family: Family) -> Iterator[None]:
    """Turn what the estimator raises in this block into ParameterRefused or FitRefused."""
    known = (ValueError, TypeError, ArithmeticError, np.linalg.LinAlgError, *family.failures)
    try:
        yield
    except known as error:
        why = _XGBOOST_PLACE.sub("", str(error).partition("\nStack trace:")[0].strip())
        # scikit-learn's errors about the value of a parameter begin so.
        if re.match(r"The '\w+' parameter of ", why):
            raise ParameterRefused(why) from error
        raise FitRefused(family.kind, why) from error


def notes_of(caught: list[warnings.WarningMessage]) -> list[str]:
    """The first sentence of each warning, each once."""
    return list(dict.fromkeys(_first_sentence(str(warning.message)) for warning in caught))


def _grows_in_parts(estimator: Any) -> bool:
    trees = getattr(estimator, "n_estimators", 0)
    if not hasattr(estimator, "warm_start"):
        return False
    # These use the whole forest after each part. fit() refuses what is not a number.
    whole = getattr(estimator, "oob_score", False) or getattr(estimator, "class_weight", None)
    return isinstance(trees, int) and trees > 1 and not whole


def _grow(pipeline: Pipeline, features: Any, target: NDArray[Any], progress: Progress) -> None:
    """Fit by scikit-learn's warm start, which gives each tree the seed that it has in one fit."""
    estimator = pipeline[-1]
    trees = estimator.n_estimators
    prepared = pipeline[:-1].fit_transform(features, target)
    cores = joblib.cpu_count()
    share = max(TREES_EACH, -(-trees // (PARTS * cores))) * cores
    ends = [*range(share, trees, share), trees]
    estimator.set_params(warm_start=True)
    try:
        progress(0, trees)
        for end in ends:
            estimator.set_params(n_estimators=end)
            estimator.fit(prepared, target)
            progress(end, trees)
    finally:
        estimator.set_params(warm_start=False, n_estimators=trees)


def _fit_on(
    cluster: Cluster,
    pipeline: Pipeline,
    features: Any,
    target: NDArray[Any],
    progress: Progress | None,
) -> None:
    """Fit the estimator on ``cluster``, whose workers grow a tree at a time."""
    estimator = pipeline[-1]
    prepared = pipeline[:-1].fit_transform(features, target)

    def done(trees: int) -> None:
        if progress is not None:
            progress(trees, estimator.n_estimators)

    with cluster.parallel(environment(pipeline), done):
        estimator.fit(prepared, target)


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())
