"""Histograms of several versions on common axes, as outlines over common bins."""

from collections.abc import Sequence

import numpy as np

from registry.plots.curves import Curves, curves
from registry.plots.scale import Scale, scale_of

BINS = 30


def outlines(each: Sequence[tuple[Sequence[float], Sequence[int]]]) -> Curves:
    """The share of values in each of ``BINS`` common bins, of each histogram: its edges, and the
    count between each two of them, which is spread evenly."""
    low = min(edges[0] for edges, _ in each)
    high = max(edges[-1] for edges, _ in each)
    common = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    shares = [_shares(edges, counts, common) for edges, counts in each]
    largest = max(max(of_one) for of_one in shares) or 1.0
    return curves(
        [_steps(common.tolist(), of_one) for of_one in shares],
        x=lambda start, end: scale_of(common.tolist(), start, end, margin=0.0),
        y=lambda start, end: Scale(0, largest * 1.05, start, end),
    )


def _shares(edges: Sequence[float], counts: Sequence[int], common: np.ndarray) -> list[float]:
    below = np.concatenate([[0.0], np.cumsum(np.asarray(counts, float))])
    total = below[-1] or 1.0
    found: list[float] = (np.diff(np.interp(common, edges, below)) / total).tolist()
    return found


def _steps(edges: Sequence[float], shares: Sequence[float]) -> tuple[list[float], list[float]]:
    xs = [edge for edge in edges for _ in range(2)]
    ys = [0.0, *(share for share in shares for _ in range(2)), 0.0]
    return xs, ys
