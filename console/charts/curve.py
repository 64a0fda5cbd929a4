"""How a figure depends on the value of one column, over its range."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from registry.plots.scale import Scale, round_marks, scale_of

WIDTH, HEIGHT = 560, 230
_LEFT, _RIGHT, _TOP, _FOOT = 72, 28, 12, 26
_X_MARKS = 4
MOST_LEVELS = 6
_LARGEST = 1e150
"""Larger figures are left out, as are those that are not finite."""

Pair = tuple[float, float]


class Mark(NamedTuple):
    """A value on an axis: where, and its text."""

    at: float
    text: str


class Dot(NamedTuple):
    """A point that says its figures when it is pointed at."""

    x: float
    y: float
    tip: str


@dataclass(frozen=True, slots=True)
class Curve:
    """Coordinates; ``line`` is a path, ``present`` the row of the form."""

    width: int
    height: int
    left: int
    line: str
    x_marks: list[Mark]
    y_marks: list[Mark]
    dots: list[Dot]
    present: Pair | None


def curve(
    points: Sequence[Pair],
    present: Pair | None,
    *,
    tips: Sequence[str],
    x_text: Callable[[float], str],
    y_text: Callable[[float], str],
    levels: Sequence[str] = (),
    is_share: bool = False,
) -> Curve:
    """The chart of ``points`` in order, each with its tip.

    ``levels``: the figures are their positions; ``is_share``: they are from 0 to 1.
    """
    known = [
        (x, y, tip)
        for (x, y), tip in zip(points, tips, strict=True)
        if abs(x) < _LARGEST and abs(y) < _LARGEST
    ]
    bottom = HEIGHT - _FOOT
    low, high = (known[0][0], known[-1][0]) if known else (0.0, 1.0)
    across = Scale(low, high if high > low else low + max(1.0, abs(low)), _LEFT, WIDTH - _RIGHT)
    up = _upwards([y for _, y, _ in known], bottom, levels=levels, is_share=is_share)
    dots = [Dot(across.at(x), up.at(y), tip) for x, y, tip in known]
    return Curve(
        WIDTH,
        HEIGHT,
        _LEFT,
        _path(dots, has_steps=bool(levels)),
        [
            Mark(across.at(value), x_text(value))
            for value in (low + (high - low) * index / _X_MARKS for index in range(_X_MARKS + 1))
        ]
        if high > low
        else [],
        _marks(up, y_text, levels, is_share=is_share),
        dots,
        None if present is None or not dots else (across.at(present[0]), up.at(present[1])),
    )


def _upwards(
    figures: Sequence[float], bottom: float, *, levels: Sequence[str], is_share: bool
) -> Scale:
    if is_share:
        return Scale(0.0, 1.0, bottom, _TOP)
    if levels:
        return Scale(-0.5, len(levels) - 0.5, bottom, _TOP)
    return scale_of(figures, bottom, _TOP, margin=0.15)


def _marks(
    up: Scale, text: Callable[[float], str], levels: Sequence[str], *, is_share: bool
) -> list[Mark]:
    if is_share:
        return [Mark(up.at(share), text(share)) for share in (0.0, 0.5, 1.0)]
    if levels:
        return [Mark(up.at(index), level) for index, level in enumerate(levels)]
    return [Mark(up.at(value), text(value)) for value in round_marks(up.low, up.high)]


def _path(dots: Sequence[Dot], *, has_steps: bool) -> str:
    """Straight lines from dot to dot; with steps, halfway between two dots."""
    if not dots:
        return ""
    parts = [f"M{dots[0].x} {dots[0].y}"]
    for before, dot in pairwise(dots):
        if has_steps:
            parts.append(f"H{round((before.x + dot.x) / 2, 1)}V{dot.y}")
        parts.append(f"L{dot.x} {dot.y}")
    return "".join(parts)
