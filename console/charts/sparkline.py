"""A few bars without an axis: how a count went over time."""

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 96, 24
_GAP = 1.0
_LEAST = 1.5
"""Of a bar for anything but zero."""


class SparkBar(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    place: int
    """Of the value, from 0."""
    value: int


class Sparkline(NamedTuple):
    """A bar for each of ``places`` values but zeros, the last value on the right."""

    width: int
    height: int
    places: int
    bars: list[SparkBar]
    total: int


def sparkline(counts: Sequence[int]) -> Sparkline:
    """The bars of ``counts``, the largest as high as the chart."""
    most = max(counts, default=0)
    step = WIDTH / max(len(counts), 1)
    bars = []
    for place, count in enumerate(counts):
        if count > 0:
            height = round(max(_LEAST, HEIGHT * (count / most)), 1)
            x, y = round(place * step, 1), round(HEIGHT - height, 1)
            bars.append(SparkBar(x, y, round(max(0.5, step - _GAP), 1), height, place, count))
    return Sparkline(WIDTH, HEIGHT, len(counts), bars, sum(counts))
