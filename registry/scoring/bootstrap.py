"""How far a figure may be noise: the paired bootstrap.

Rows are drawn with replacement, as many as there are, 1,000 times; candidate and champion answer
for the same rows in each draw, so what is common to both falls out of their difference (Efron and
Tibshirani, "An Introduction to the Bootstrap", 1993; the intervals are those of its percentiles).
Seeded: the same answers to the same rows give the same interval.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from registry.scoring.sums import Weights

DRAWS = 1000
_SEED = 0
_BLOCK_CELLS = 2**18
"""Weights that are worked on at once: 2 MB, so that no step of it holds other threads up."""
_LEAST_DRAWS = 100
"""Fewer draws with a figure than this say nothing of its spread."""

Figures = dict[str, NDArray[np.float64]]


class Measures(Protocol):
    """What has answered the rows, ready to be measured."""

    def figures(self, weights: Weights, names: Collection[str]) -> Figures:
        """Each metric that it has of ``names``, for each draw."""


def once(rows: int) -> Weights:
    """Every row counted once."""
    return np.ones((1, rows))


def drawn(measures: Sequence[Measures], rows: int, names: Collection[str]) -> list[Figures]:
    """The figures of each of ``measures`` in the same 1,000 draws of ``rows`` rows."""
    parts: list[list[Figures]] = [[] for _ in measures]
    for weights in _draws(rows):
        for made, one in zip(parts, measures, strict=True):
            made.append(one.figures(weights, names))
    return [
        {name: np.concatenate([part[name] for part in made]) for name in made[0]} for made in parts
    ]


def interval(figures: NDArray[np.float64], level: float) -> tuple[float, float] | None:
    """The middle ``level`` percent of ``figures``; None where too few draws have one."""
    known = figures[np.isfinite(figures)]
    if len(known) < _LEAST_DRAWS:
        return None
    outside = (100 - level) / 2
    low, high = np.percentile(known, [outside, 100 - outside])
    return float(low), float(high)


def _draws(rows: int) -> Iterator[Weights]:
    draw = np.random.default_rng(_SEED)
    most = max(1, _BLOCK_CELLS // rows)
    for start in range(0, DRAWS, most):
        count = min(most, DRAWS - start)
        chosen = draw.integers(0, rows, size=(count, rows), dtype=np.int32)
        chosen += np.arange(0, count * rows, rows, dtype=np.int32)[:, None]
        times = np.bincount(chosen.ravel(), minlength=count * rows)
        yield times.reshape(count, rows).astype(np.float64)
