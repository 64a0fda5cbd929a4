"""Where a figure falls among many."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from registry.plots.scale import Scale

WIDTH, HEIGHT = 560, 52
_BINS = 32
_GAP = 1.0


class Bar(NamedTuple):
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Bars of how many values lie in each part of ``low`` to ``high``, and the marker's place."""

    width: int
    height: int
    low: float
    high: float
    bars: list[Bar]
    marker: float
    is_outside: bool


def spread(values: Sequence[float], figure: float) -> Spread | None:
    """The chart of ``values`` with ``figure`` marked; None where it cannot be drawn."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite or not math.isfinite(figure) or min(finite) == max(finite):
        return None
    low, high = min(finite), max(finite)
    counts = [0] * _BINS
    for value in finite:
        counts[min(_BINS - 1, int((value - low) / (high - low) * _BINS))] += 1
    step, most = WIDTH / _BINS, max(counts)
    bars = [
        Bar(round(index * step, 1), round(HEIGHT - height, 1), round(step - _GAP, 1), height)
        for index, count in enumerate(counts)
        if (height := round(count / most * (HEIGHT - 8), 1))
    ]
    marker = Scale(low, high, 2, WIDTH - 2).at(figure)
    return Spread(WIDTH, HEIGHT, low, high, bars, marker, not low <= figure <= high)
