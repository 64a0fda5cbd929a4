"""What was live: a row for each version, with bars over true time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from registry.plots.scale import Scale

WIDTH = 620
_LEFT, _RIGHT, _ROW, _BAR, _FOOT = 46, 4, 34, 18, 24
MOST_ROWS = 12
_LEAST_BAR = 2.0
_STEPS = [
    timedelta(minutes=minutes)
    for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 5760, 10080)
] + [timedelta(days=days) for days in (14, 28, 56, 112, 224, 448, 896, 1792)]
_MOST_MARKS = 6


class Tenure(Protocol):
    """The alias pointed at a version for a time."""

    @property
    def number(self) -> int: ...
    @property
    def since(self) -> datetime: ...
    @property
    def until(self) -> datetime | None: ...
    @property
    def rolled_back(self) -> bool: ...


class Row(NamedTuple):
    number: int
    y: float


class Bar(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    is_now: bool
    number: int
    since: datetime
    until: datetime | None


class Move(NamedTuple):
    """A line from the bar of one version to that of the next."""

    x: float
    y_from: float
    y_to: float
    is_rollback: bool


class Mark(NamedTuple):
    """A time on the axis."""

    x: float
    at: datetime
    is_day: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """Coordinates of the chart; ``left_out`` versions were live in the range but have no row."""

    width: int
    height: int
    rows: list[Row]
    bars: list[Bar]
    moves: list[Move]
    marks: list[Mark]
    left_out: int


def timeline(tenures: Sequence[Tenure], start: datetime, now: datetime) -> Timeline:
    """The chart of ``tenures``, oldest first, from ``start`` to ``now``.

    The versions that were live last have rows, at most ``MOST_ROWS``, the highest on top.
    """
    shown = [one for one in tenures if (one.until or now) >= start and one.since <= now]
    recent = list(dict.fromkeys(one.number for one in reversed(shown)))
    numbers = sorted(recent[:MOST_ROWS], reverse=True)
    y = {number: 12.0 + _ROW * index for index, number in enumerate(numbers)}
    end = now if now > start else start + timedelta(minutes=1)
    scale = Scale(start.timestamp(), end.timestamp(), _LEFT, WIDTH - _RIGHT)
    bars, moves = [], []
    before: int | None = None
    for one in shown:
        if one.number in y:
            bars.append(_bar(one, y[one.number], scale, end))
            if before in y and one.since >= start:
                x = scale.at(one.since.timestamp())
                moves.append(_move(x, y[before], y[one.number], one.rolled_back))
        before = one.number
    height = round(12 + _ROW * len(numbers) + _FOOT)
    rows = [Row(number, place) for number, place in y.items()]
    marks = [
        Mark(scale.at(at.timestamp()), at, is_day=step >= timedelta(days=1))
        for step, at in _marks(start, end)
    ]
    return Timeline(WIDTH, height, rows, bars, moves, marks, len(recent) - len(numbers))


def _bar(one: Tenure, y: float, scale: Scale, end: datetime) -> Bar:
    x = scale.at(one.since.timestamp())
    width = scale.at((one.until or end).timestamp()) - x
    x = min(x, scale.end - _LEAST_BAR)
    width = round(max(_LEAST_BAR, width), 1)
    return Bar(x, y, width, _BAR, one.until is None, one.number, one.since, one.until)


def _move(x: float, y_from: float, y_to: float, is_rollback: bool) -> Move:
    middle = _BAR / 2
    return Move(x, y_from + middle, y_to + middle, is_rollback)


def _marks(start: datetime, end: datetime) -> list[tuple[timedelta, datetime]]:
    """Round times between ``start`` and ``end``, with their step."""
    span = end - start
    step = next((step for step in _STEPS if span / step <= _MOST_MARKS), _STEPS[-1])
    seconds = step.total_seconds()
    first = -(-start.timestamp() // seconds) * seconds
    # Labels at the ends of the axis would be cut off.
    room = span * 0.03
    found = []
    for index in range(_MOST_MARKS + 1):
        at = datetime.fromtimestamp(first + index * seconds, UTC)
        if start + room <= at <= end - room:
            found.append((step, at))
    return found
