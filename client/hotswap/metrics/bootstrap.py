"""The uncertainty of metrics: confidence intervals by the percentile bootstrap.

Rows are drawn with replacement, as many as there are, and each metric is computed for every draw
(Efron and Tibshirani, "An Introduction to the Bootstrap", 1993). A draw is a count for each row, so
that a block of draws is computed with a few array operations. Several `Measures` get the same
draws: the variation that they share cancels in their difference.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

DRAWS = 1_000
FEWEST_DRAWS = 200
CELLS = 10**8
"""With more than CELLS / DRAWS rows there are fewer draws: the metrics of many rows vary less."""
_BLOCK_CELLS = 2**18
"""Counts that are computed in one step, after which other threads can run."""

Counts = NDArray[np.unsignedinteger[Any]]
"""Draws x rows: how often each draw contains each row. Small integers are faster than floats."""
Figures = dict[str, NDArray[np.float64]]
"""For each metric its value in each draw; NaN where it is undefined."""


class Measures(Protocol):
    """The metrics of predictions for some rows."""

    def figures(self, counts: Counts, names: Collection[str]) -> Figures:
        """Those of the metrics ``names`` that these predictions have, for each draw."""


def figures_of(measures: Measures, rows: int, names: Collection[str]) -> dict[str, float]:
    """Those of the metrics ``names`` that are defined, with each of the ``rows`` rows counted
    once."""
    figures = measures.figures(np.ones((1, rows), np.uint8), names)
    return {name: float(found[0]) for name, found in figures.items() if np.isfinite(found[0])}


def drawn(
    measures: Sequence[Measures], rows: int, names: Collection[str], *, seed: int = 0
) -> list[Figures]:
    """The figures of each of ``measures`` in the same draws of ``rows`` rows.

    The same seed gives the same draws. Their number is `draw_count`.
    """
    parts: list[list[Figures]] = [[] for _ in measures]
    for counts in _draws(rows, seed):
        for made, one in zip(parts, measures, strict=True):
            made.append(one.figures(counts, names))
    return [
        {name: np.concatenate([part[name] for part in made]) for name in made[0]} for made in parts
    ]


def interval(figures: NDArray[np.float64], level: float) -> tuple[float, float] | None:
    """The bounds of the middle ``level`` percent of ``figures``; None unless most are defined."""
    known = figures[np.isfinite(figures)]
    if 2 * len(known) <= len(figures):
        return None
    outside = (100 - level) / 2
    low, high = np.percentile(known, [outside, 100 - outside])
    return float(low), float(high)


def draw_count(rows: int) -> int:
    """The number of draws of ``rows`` rows."""
    return min(DRAWS, max(FEWEST_DRAWS, CELLS // rows))


def _draws(rows: int, seed: int) -> Iterator[Counts]:
    """Blocks of draws."""
    generator = np.random.default_rng(seed)
    draws = draw_count(rows)
    most = max(1, _BLOCK_CELLS // rows)
    for start in range(0, draws, most):
        block = min(most, draws - start)
        chosen = generator.integers(0, rows, size=(block, rows))
        chosen += np.arange(0, block * rows, rows)[:, None]
        counts = np.bincount(chosen.ravel(), minlength=block * rows).reshape(block, rows)
        yield counts.astype(np.min_scalar_type(counts.max()))
