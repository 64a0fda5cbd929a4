"""One figure of a few versions, with their 95% intervals, one below the other on one axis."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from console.charts.metric import Figure
from registry.plots.scale import round_marks, scale_of

WIDTH = 260
ROW = 18
_LEFT, _RIGHT, _FOOT = 34, 12, 16
_MOST_MARKS = 3


class Row(NamedTuple):
    """``x`` None: the version does not have the figure. ``whisker``: from where to where."""

    figure: Figure | None
    number: int
    y: float
    x: float | None
    whisker: tuple[float, float] | None


class Mark(NamedTuple):
    x: float
    value: float


class Intervals(NamedTuple):
    width: int
    height: int
    left: int
    rows: list[Row]
    marks: list[Mark]


def intervals(figures: Sequence[tuple[int, Figure | None]]) -> Intervals:
    """The chart of the figure of each version, which has None where it does not have it."""
    known = [one for _, one in figures if one is not None and math.isfinite(one.value)]
    values = [value for one in known for value in (one.value, *_finite(one.interval))]
    scale = scale_of(values, _LEFT, WIDTH - _RIGHT)
    rows = []
    for index, (number, one) in enumerate(figures):
        is_known = one is not None and math.isfinite(one.value)
        bounds = _finite(one.interval) if one is not None else ()
        rows.append(
            Row(
                figure=one,
                number=number,
                y=ROW * (index + 0.5),
                x=scale.at(one.value) if one is not None and is_known else None,
                whisker=(scale.at(bounds[0]), scale.at(bounds[1])) if bounds else None,
            )
        )
    marks = round_marks(scale.low, scale.high, _MOST_MARKS) if known else []
    height = ROW * len(figures) + _FOOT
    return Intervals(WIDTH, height, _LEFT, rows, [Mark(scale.at(one), one) for one in marks])


def _finite(interval: tuple[float, float] | None) -> tuple[float, ...]:
    return tuple(interval) if interval and all(map(math.isfinite, interval)) else ()
