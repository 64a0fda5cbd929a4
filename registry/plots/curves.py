"""Curves in the unit square, points around a diagonal, and bars: the plots of an evaluation."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from registry.plots.scale import Scale, round_marks, scale_of

WIDTH, HEIGHT = 420, 300
_LEFT, _RIGHT, _TOP, _FOOT = 56, 10, 10, 26
MOST_POINTS = 500
MOST_BARS = 60


class Mark(NamedTuple):
    """A round value and its place on an axis."""

    place: float
    value: float


@dataclass(frozen=True, slots=True)
class Axes:
    """The frame of a plot, and the marks of its axes."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    x_marks: list[Mark]
    y_marks: list[Mark]


class Curves(NamedTuple):
    """``lines`` are the points of each curve, as SVG's polyline has them."""

    axes: Axes
    lines: list[str]


class Points(NamedTuple):
    """``diagonal``: from where to where a perfect prediction lies."""

    axes: Axes
    points: list[tuple[float, float]]
    diagonal: tuple[float, float, float, float]
    left_out: int


class Bar(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    start: float
    end: float
    rows: int


class Bars(NamedTuple):
    axes: Axes
    bars: list[Bar]


ScaleMaker = Callable[[float, float], Scale]
"""Makes a scale from the first to the last coordinate of an axis."""


def shares(start: float, end: float) -> Scale:
    """The axis of a share, from 0 to 1."""
    return Scale(0, 1, start, end)


def curves(
    each: Sequence[tuple[Sequence[float], Sequence[float]]],
    *,
    x: ScaleMaker = shares,
    y: ScaleMaker = shares,
    most: int = MOST_POINTS,
) -> Curves:
    """The x and y of each curve, thinned to ``most`` points. By default they are shares, as those
    of ROC curves."""
    across, up = x(_LEFT, WIDTH - _RIGHT), y(HEIGHT - _FOOT, _TOP)
    return Curves(_axes(across, up), [_line(xs, ys, across, up, most) for xs, ys in each])


def points(true: Sequence[float], predicted: Sequence[float]) -> Points:
    """Predicted over true values on one scale, evenly thinned to ``MOST_POINTS``."""
    pairs = [
        pair
        for pair in zip(true, predicted, strict=True)
        if math.isfinite(pair[0]) and math.isfinite(pair[1])
    ]
    shown = _thinned(pairs, MOST_POINTS)
    values = [value for pair in shown for value in pair]
    x = scale_of(values, _LEFT, WIDTH - _RIGHT)
    y = scale_of(values, HEIGHT - _FOOT, _TOP)
    return Points(
        _axes(x, y),
        [(x.at(true), y.at(predicted)) for true, predicted in shown],
        (x.at(x.low), y.at(x.low), x.at(x.high), y.at(x.high)),
        len(pairs) - len(shown),
    )


def bars(edges: Sequence[float], counts: Sequence[int]) -> Bars:
    """A histogram: ``counts[i]`` values between ``edges[i]`` and ``edges[i + 1]``."""
    edges, counts = _merged(edges, counts)
    x = scale_of(edges, _LEFT, WIDTH - _RIGHT, margin=0.0)
    y = Scale(0, max([1, *counts]) * 1.05, HEIGHT - _FOOT, _TOP)
    made = []
    for index, count in enumerate(counts):
        left, right = x.at(edges[index]), x.at(edges[index + 1])
        top = y.at(count)
        width = round(max(0.0, right - left - 1), 1)
        height = round(y.start - top, 1)
        made.append(Bar(left, top, width, height, edges[index], edges[index + 1], count))
    return Bars(_axes(x, y), made)


def _axes(x: Scale, y: Scale) -> Axes:
    return Axes(
        width=WIDTH,
        height=HEIGHT,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        top=_TOP,
        bottom=HEIGHT - _FOOT,
        x_marks=[Mark(x.at(value), value) for value in round_marks(x.low, x.high)],
        y_marks=[Mark(y.at(value), value) for value in round_marks(y.low, y.high)],
    )


def _line(xs: Sequence[float], ys: Sequence[float], x: Scale, y: Scale, most: int) -> str:
    pairs = _thinned(list(zip(xs, ys, strict=True)), most)
    return " ".join(f"{x.at(one)},{y.at(other)}" for one, other in pairs)


def _thinned(pairs: Sequence[tuple[float, float]], most: int) -> Sequence[tuple[float, float]]:
    """Every n-th pair, the first and the last among them."""
    if len(pairs) <= most:
        return pairs
    step = (len(pairs) - 1) / (most - 1)
    return [pairs[round(index * step)] for index in range(most)]


def _merged(edges: Sequence[float], counts: Sequence[int]) -> tuple[Sequence[float], Sequence[int]]:
    """Neighbouring bins added up, so that there are at most ``MOST_BARS``."""
    group = -(-len(counts) // MOST_BARS)
    starts = range(0, len(counts), group)
    ends = [min(start + group, len(counts)) for start in starts]
    return (
        [edges[start] for start in starts] + [edges[-1]],
        [sum(counts[start:end]) for start, end in zip(starts, ends, strict=True)],
    )
