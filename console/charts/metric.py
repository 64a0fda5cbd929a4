"""A metric of the newest versions, with its 95% intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from registry.plots.scale import round_marks, scale_of

WIDTH, HEIGHT = 400, 190
_LEFT, _RIGHT, _TOP, _FOOT = 56, 8, 10, 22
MOST_POINTS = 30
_MOST_LABELS = 10
_NEAR = 1.0
"""The baseline is drawn where that stretches the chart by no more than its own height."""


class Figure(NamedTuple):
    """A version's metric; ``interval`` None: unknown."""

    number: int
    value: float
    interval: tuple[float, float] | None
    is_live: bool


class Point(NamedTuple):
    x: float
    y: float
    whisker: tuple[float, float] | None
    figure: Figure
    has_label: bool


class Mark(NamedTuple):
    y: float
    value: float


@dataclass(frozen=True, slots=True)
class MetricChart:
    """Coordinates of the chart; ``baseline`` None: there is none, or it lies too far away."""

    width: int
    height: int
    left: int
    points: list[Point]
    marks: list[Mark]
    baseline: float | None


def metric_chart(figures: Sequence[Figure], baseline: float | None = None) -> MetricChart:
    """The chart of the last ``MOST_POINTS`` of ``figures``, which are in order of their number."""
    shown = [one for one in figures if math.isfinite(one.value)][-MOST_POINTS:]
    values = [value for one in shown for value in (one.value, *(one.interval or ()))]
    bottom = HEIGHT - _FOOT
    near = baseline is not None and _is_near(values, baseline)
    scale = scale_of([*values, baseline] if near and baseline is not None else values, bottom, _TOP)
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(shown))
    every = -(-len(shown) // _MOST_LABELS)
    points = []
    for index, one in enumerate(shown):
        interval = one.interval if one.interval and all(map(math.isfinite, one.interval)) else None
        points.append(
            Point(
                x=round(_LEFT + step * (index + 0.5), 1),
                y=scale.at(one.value),
                whisker=None
                if interval is None
                else (scale.at(interval[0]), scale.at(interval[1])),
                figure=one,
                has_label=(len(shown) - 1 - index) % every == 0,
            )
        )
    marks = [Mark(scale.at(value), value) for value in round_marks(scale.low, scale.high)]
    place = scale.at(baseline) if near and baseline is not None else None
    return MetricChart(WIDTH, HEIGHT, _LEFT, points, marks, place)


def _is_near(values: Sequence[float], baseline: float) -> bool:
    finite = [value for value in values if math.isfinite(value)]
    if not finite or not math.isfinite(baseline):
        return False
    low, high = min(finite), max(finite)
    return low - (high - low) * _NEAR <= baseline <= high + (high - low) * _NEAR
