"""How sure the metrics are: intervals that they would fall into on other rows of the same kind.

By the percentile bootstrap (B. Efron, "Bootstrap methods: another look at the jackknife", 1979):
the held-out rows are drawn again, as many as there are and with replacement, and each draw is
measured. A draw is a weight for each row, how often it was drawn, so that a block of draws is
measured by products with a matrix of weights instead of one by one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64]
"""Draws x rows."""
Figures = NDArray[np.float64]
"""One for each draw; NaN where the draw has none."""
_Measure = Callable[[Weights], Figures]

DRAWS = 1_000
FEWEST_DRAWS = 200
LEVEL = 0.95
CELLS = 10_000_000
"""With more held-out rows than CELLS / DRAWS there are fewer draws: their figures differ less."""
_BLOCK_CELLS = 400_000
"""The weights of a block: 3 MB, which stay in the cache."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The truth about some rows, and what a model says of them; ``probabilities`` are rows x
    ``classes``, both None for quantities."""

    true: NDArray[Any]
    predicted: NDArray[Any]
    probabilities: NDArray[np.float64] | None = None
    classes: NDArray[Any] | None = None


def intervals(
    answered: Answered, metrics: Mapping[str, float], seed: int, draws: int = DRAWS
) -> dict[str, list[float]]:
    """For each of ``metrics`` the bounds that 95 of 100 draws lie between; one that most draws do
    not have is left out. The same seed draws the same rows."""
    measures = _measures(answered)
    wanted = {name: measures[name] for name in metrics if name in measures}
    figures: dict[str, list[Figures]] = {name: [] for name in wanted}
    for weights in _drawn(len(answered.true), seed, draws):
        for name, measure in wanted.items():
            figures[name].append(measure(weights))
    found = {}
    for name, blocks in figures.items():
        every = np.concatenate(blocks)
        finite = every[np.isfinite(every)]
        if 2 * len(finite) > len(every):
            bounds = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            found[name] = bounds.tolist()
    return found


def _drawn(rows: int, seed: int, draws: int) -> Iterator[Weights]:
    draws = int(min(draws, max(FEWEST_DRAWS, CELLS // rows)))
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK_CELLS // rows)
    for start in range(0, draws, block):
        count = min(block, draws - start)
        taken = generator.integers(0, rows, (count, rows))
        taken += np.arange(count)[:, np.newaxis] * rows
        drawn = np.bincount(taken.ravel(), minlength=count * rows)
        yield drawn.reshape(count, rows).astype(np.float64)


def _measures(answered: Answered) -> dict[str, _Measure]:
    if answered.probabilities is None or answered.classes is None:
        return _of_quantities(answered.true, answered.predicted)
    return _of_classes(answered, answered.probabilities, answered.classes)


def _of_quantities(
    true: NDArray[np.float64], predicted: NDArray[np.float64]
) -> dict[str, _Measure]:
    error = np.abs(true - predicted)
    # Around their mean: sums of squares far from zero would lose their digits.
    centred = true - true.mean()
    mse = _mean_of(error**2)
    order = np.argsort(error, kind="stable")

    def r2(weights: Weights) -> Figures:
        spread = _mean_of(centred**2)(weights) - _mean_of(centred)(weights) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(spread > 0, 1 - mse(weights) / spread, np.nan)

    def median(weights: Weights) -> Figures:
        reached = np.cumsum(weights[:, order], axis=1)
        half = weights.shape[1] / 2
        low = np.argmax(reached >= half, axis=1)
        high = np.argmax(reached > half, axis=1)
        return (error[order[low]] + error[order[high]]) / 2

    return {
        "rmse": lambda weights: np.sqrt(mse(weights)),
        "mae": _mean_of(error),
        "mse": mse,
        "r2": r2,
        "median_absolute_error": median,
    }


def _of_classes(
    answered: Answered, probabilities: NDArray[np.float64], classes: NDArray[Any]
) -> dict[str, _Measure]:
    true = np.searchsorted(classes, answered.true)
    predicted = np.searchsorted(classes, answered.predicted)
    count = len(classes)
    tiny = np.finfo(np.float64).eps
    chance = np.clip(probabilities[np.arange(len(true)), true], tiny, 1 - tiny)
    hits = _one_hot(np.where(true == predicted, true, -1), count)
    real, said = _one_hot(true, count), _one_hot(predicted, count)

    def by_class(weights: Weights) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        return weights @ hits, weights @ real, weights @ said

    def macro(above: NDArray[Any], below: NDArray[Any], seen: NDArray[Any]) -> Figures:
        """The mean over the classes that a draw has, as truth or as prediction."""
        shares = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
        figures: Figures = shares.sum(axis=1) / seen.sum(axis=1)
        return figures

    def precision(weights: Weights) -> Figures:
        hit, truth, guess = by_class(weights)
        return macro(hit, guess, truth + guess > 0)

    def recall(weights: Weights) -> Figures:
        hit, truth, guess = by_class(weights)
        return macro(hit, truth, truth + guess > 0)

    def f1(weights: Weights) -> Figures:
        hit, truth, guess = by_class(weights)
        return macro(2 * hit, truth + guess, truth + guess > 0)

    return {
        "accuracy": _mean_of((true == predicted).astype(np.float64)),
        "f1_macro": f1,
        "precision_macro": precision,
        "recall_macro": recall,
        "log_loss": _mean_of(-np.log(chance)),
        "roc_auc": _roc_auc(true, probabilities),
    }


def _roc_auc(true: NDArray[np.intp], probabilities: NDArray[np.float64]) -> _Measure:
    """Of two classes the second's; of more the mean of each against the rest."""
    count = probabilities.shape[1]
    ranked = [_ranked(true == index, probabilities[:, index]) for index in range(count == 2, count)]

    def measure(weights: Weights) -> Figures:
        return np.mean([of_class(weights) for of_class in ranked], axis=0)

    return measure


def _ranked(is_class: NDArray[np.bool_], score: NDArray[np.float64]) -> _Measure:
    """The share of pairs, one row of the class and one of the rest, that the score puts in order;
    pairs that are level count half."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf))
    positive = is_class[order].astype(np.float64)

    def measure(weights: Weights) -> Figures:
        sorted_weights = weights[:, order]
        of_class = sorted_weights * positive
        level_class = np.add.reduceat(of_class, starts, axis=1)
        level_rest = np.add.reduceat(sorted_weights - of_class, starts, axis=1)
        below = np.cumsum(level_rest, axis=1) - level_rest / 2
        pairs = level_class.sum(axis=1) * level_rest.sum(axis=1)
        in_order = (level_class * below).sum(axis=1)
        return np.divide(in_order, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)

    return measure


def _mean_of(figure: NDArray[np.float64]) -> _Measure:
    def measure(weights: Weights) -> Figures:
        means: Figures = (weights @ figure) / len(figure)
        return means

    return measure


def _one_hot(codes: NDArray[np.intp], count: int) -> NDArray[np.float64]:
    """Rows x ``count``; a code below zero is none of them."""
    return (codes[:, np.newaxis] == np.arange(count)).astype(np.float64)
