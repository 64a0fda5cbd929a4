"""Coordinates of charts: always finite and inside, whatever the figures are."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.charts.metric import MOST_POINTS, Figure, metric_chart
from console.charts.timeline import MOST_ROWS, WIDTH, timeline
from registry.plots import curves
from registry.plots.scale import round_marks, scale_of

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
FIGURES = st.floats(-1e150, 1e150) | st.just(math.nan) | st.just(math.inf)


@dataclass(frozen=True)
class Tenure:
    number: int
    since: datetime
    until: datetime | None
    rolled_back: bool = False


def live(*changes: tuple[int, int], rolled_back: int | None = None) -> list[Tenure]:
    """Versions, each with the minutes before NOW at which it became live."""
    times = [NOW - timedelta(minutes=minutes) for _, minutes in changes]
    return [
        Tenure(number, since, until, rolled_back == index)
        for index, ((number, _), since, until) in enumerate(
            zip(changes, times, [*times[1:], None], strict=True)
        )
    ]


def test_each_version_has_a_row_and_each_time_a_bar() -> None:
    chart = timeline(live((1, 60), (2, 40), (1, 10), rolled_back=2), NOW - timedelta(hours=1), NOW)
    assert [row.number for row in chart.rows] == [2, 1]
    assert [bar.number for bar in chart.bars] == [1, 2, 1]
    assert [bar.is_now for bar in chart.bars] == [False, False, True]
    assert [move.is_rollback for move in chart.moves] == [False, True]
    assert chart.bars[0].width == chart.bars[1].x - chart.bars[0].x
    lengths = [bar.width for bar in chart.bars]
    assert lengths[0] / lengths[2] == 2.0
    assert [mark.at.minute % 10 for mark in chart.marks] == [0] * len(chart.marks)
    assert 3 <= len(chart.marks) <= 7


def test_a_time_that_began_earlier_is_cut_at_the_start() -> None:
    chart = timeline(live((7, 500), (8, 100), (9, 5)), NOW - timedelta(minutes=20), NOW)
    assert [row.number for row in chart.rows] == [9, 8]
    assert chart.bars[0].x == 46
    assert len(chart.moves) == 1


def test_only_the_versions_that_were_live_last_have_rows() -> None:
    chart = timeline(live(*((n, 500 - n) for n in range(1, 41))), NOW - timedelta(days=1), NOW)
    assert [row.number for row in chart.rows] == list(range(40, 40 - MOST_ROWS, -1))
    assert chart.left_out == 40 - MOST_ROWS


def test_a_version_that_is_live_since_now_is_visible() -> None:
    (bar,) = timeline(live((1, 0)), NOW - timedelta(hours=1), NOW).bars
    assert bar.width == 2.0
    assert bar.x + bar.width <= WIDTH


@given(
    st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 10**7)), min_size=1, max_size=300),
    st.integers(1, 10**7),
)
def test_bars_are_always_inside(changes: list[tuple[int, int]], minutes: int) -> None:
    ordered = sorted(changes, key=lambda change: -change[1])
    chart = timeline(live(*ordered), NOW - timedelta(minutes=minutes), NOW)
    for bar in chart.bars:
        assert 46 <= bar.x <= bar.x + bar.width <= WIDTH - 4 + 0.11
        assert bar.width >= 2.0
        assert 0 <= bar.y <= chart.height
    assert len(chart.marks) <= 7


def figures(*values: float, interval: tuple[float, float] | None = None) -> list[Figure]:
    return [Figure(n, value, interval, is_live=n == 1) for n, value in enumerate(values, start=1)]


def test_larger_figures_are_higher_and_whiskers_reach_around_them() -> None:
    chart = metric_chart(figures(10.0, 20.0, interval=(5.0, 25.0)))
    low, high = chart.points
    assert low.y > high.y
    assert low.x < high.x
    assert low.whisker is not None
    assert low.whisker[0] > low.y > low.whisker[1]
    assert [mark.value for mark in chart.marks] == [10.0, 20.0]


def test_the_baseline_is_drawn_only_if_it_is_near() -> None:
    assert metric_chart(figures(10.0, 20.0), baseline=25.0).baseline is not None
    assert metric_chart(figures(10.0, 20.0), baseline=86.0).baseline is None
    assert metric_chart(figures(10.0, 20.0), baseline=math.nan).baseline is None


def test_the_newest_versions_are_shown_and_not_every_one_is_labelled() -> None:
    chart = metric_chart(figures(*map(float, range(100))))
    assert len(chart.points) == MOST_POINTS
    assert chart.points[-1].figure.number == 100
    assert chart.points[-1].has_label
    assert sum(point.has_label for point in chart.points) <= 10


@given(
    st.lists(st.tuples(FIGURES, st.none() | st.tuples(FIGURES, FIGURES)), max_size=60),
    st.none() | FIGURES,
)
def test_points_are_always_finite_and_inside(given_, baseline) -> None:
    chart = metric_chart(
        [Figure(n, value, interval, is_live=False) for n, (value, interval) in enumerate(given_)],
        baseline,
    )
    assert len(chart.points) == min(MOST_POINTS, sum(math.isfinite(value) for value, _ in given_))
    for point in chart.points:
        places = (point.x, point.y, *(point.whisker or ()))
        assert all(math.isfinite(place) and 0 <= place <= chart.width for place in places)
        assert 0 <= point.y <= chart.height


@given(st.lists(FIGURES, max_size=5))
def test_a_scale_of_any_values_has_room(values: list[float]) -> None:
    scale = scale_of(values, 0, 100)
    assert scale.low < scale.high
    assert all(0 <= scale.at(value) <= 100 for value in values if math.isfinite(value))


@given(st.floats(-1e12, 1e12), st.floats(1e-3, 1e12))
def test_marks_are_few_and_inside(low: float, span: float) -> None:
    marks = round_marks(low, low + span)
    assert len(marks) <= 4
    rounding = span * 1e-6 + math.ulp(low)
    assert all(low - rounding <= mark <= low + span + rounding for mark in marks)


def test_a_perfect_prediction_lies_on_the_diagonal() -> None:
    plot = curves.points([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])
    x1, y1, x2, y2 = plot.diagonal

    def above(x: float, y: float) -> float:
        return (y1 + (x - x1) * (y2 - y1) / (x2 - x1)) - y

    assert [round(above(*point)) for point in plot.points[:2]] == [0, 0]
    assert above(*plot.points[2]) > 10


@given(st.lists(st.tuples(FIGURES, FIGURES), max_size=1200))
def test_no_more_points_are_drawn_than_one_can_tell_apart(pairs) -> None:
    plot = curves.points([true for true, _ in pairs], [made for _, made in pairs])
    finite = [pair for pair in pairs if all(map(math.isfinite, pair))]
    assert len(plot.points) == min(len(finite), curves.MOST_POINTS)
    assert plot.left_out == len(finite) - len(plot.points)
    for x, y in plot.points:
        assert plot.axes.left <= x <= plot.axes.right
        assert plot.axes.top <= y <= plot.axes.bottom


@given(st.lists(st.integers(0, 2**53), min_size=1, max_size=300))
def test_a_histogram_keeps_its_rows_when_bins_are_merged(counts) -> None:
    plot = curves.bars([float(edge) for edge in range(len(counts) + 1)], counts)
    assert sum(bar.rows for bar in plot.bars) == sum(counts)
    assert len(plot.bars) <= curves.MOST_BARS
    assert (plot.bars[0].start, plot.bars[-1].end) == (0.0, float(len(counts)))
    for bar in plot.bars:
        assert bar.width >= 0
        assert plot.axes.top <= bar.y <= bar.y + bar.height <= plot.axes.bottom + 0.11


def test_a_curve_is_a_line_through_its_points() -> None:
    (line,) = curves.curves([((0.0, 0.5, 1.0), (0.0, 1.0, 1.0))]).lines
    assert line.split() == ["56.0,274.0", "233.0,10.0", "410.0,10.0"]


@pytest.mark.parametrize("value", [2.0**53, -1e150])
def test_a_scale_of_one_large_value_has_it_in_the_middle(value: float) -> None:
    assert scale_of([value, value], 0, 100, margin=0.0).at(value) == 50
    assert curves.bars([value, value], [3]).bars[0].width == 0
