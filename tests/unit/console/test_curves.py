"""Coordinates of what-if curves and of the place of an answer: finite and inside, always."""

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from console.charts.curve import HEIGHT, WIDTH, curve
from console.charts.spread import spread
from console.formats import number, percent

FIGURES = st.floats(allow_nan=True, allow_infinity=True)
PAIRS = st.lists(st.tuples(FIGURES, FIGURES), max_size=50)


def drawn(points, present=None, **options):
    tips = [f"{x}: {y}" for x, y in points]
    return curve(points, present, tips=tips, x_text=number, y_text=number, **options)


def test_a_curve_passes_through_its_points_and_marks_the_present_one() -> None:
    chart = drawn([(0.0, 10.0), (1.0, 30.0), (2.0, 20.0)], (1.0, 30.0))
    left, middle, right = chart.dots
    assert left.x < middle.x < right.x
    assert middle.y < right.y < left.y
    assert chart.present == (middle.x, middle.y)
    assert [mark.text for mark in chart.x_marks] == ["0", "0.5", "1", "1.5", "2"]
    assert chart.line == f"M{left.x} {left.y}L{middle.x} {middle.y}L{right.x} {right.y}"


def test_a_share_is_drawn_from_nothing_to_all() -> None:
    chart = curve(
        [(0.0, 0.9), (1.0, 0.95)], None, tips="ab", x_text=number, y_text=percent, is_share=True
    )
    assert [mark.text for mark in chart.y_marks] == ["0 %", "50 %", "100 %"]
    assert chart.y_marks[0].at > chart.dots[0].y > chart.y_marks[2].at


def test_classes_are_steps() -> None:
    chart = drawn([(0.0, 0.0), (1.0, 1.0)], levels=("no", "yes"))
    assert [mark.text for mark in chart.y_marks] == ["no", "yes"]
    assert re.fullmatch(r"M[\d.]+ [\d.]+H[\d.]+V[\d.]+L[\d.]+ [\d.]+", chart.line)


@given(PAIRS)
def test_curves_are_finite_whatever_the_figures(points) -> None:
    points.sort(key=lambda point: (point[0] != point[0], point[0]))
    chart = drawn(points, points[0] if points else None)
    assert not re.search("nan|inf|e", chart.line)
    for dot in chart.dots:
        assert 0 <= dot.x <= WIDTH
        assert 0 <= dot.y <= HEIGHT
    assert all(math.isfinite(mark.at) for mark in (*chart.x_marks, *chart.y_marks))


def test_an_answer_is_marked_among_the_true_values() -> None:
    chart = spread([0.0, 1.0, 1.0, 4.0], 1.0)
    assert chart is not None
    assert (chart.low, chart.high, chart.is_outside) == (0.0, 4.0, False)
    assert max(chart.bars, key=lambda bar: bar.height).x <= chart.marker
    beyond = spread([0.0, 4.0], 9.0)
    assert beyond is not None
    assert beyond.is_outside
    assert beyond.marker <= beyond.width


def test_nothing_is_drawn_of_one_value_or_none() -> None:
    assert spread([], 1.0) is None
    assert spread([2.0, 2.0], 2.0) is None
    assert spread([1.0, 2.0], math.nan) is None


@given(st.lists(st.floats(-1e150, 1e150), max_size=60), st.floats(-1e300, 1e300))
def test_bars_are_inside_whatever_the_figures(values, figure) -> None:
    chart = spread(values, figure)
    if chart is not None:
        assert 0 <= chart.marker <= chart.width
        assert all(
            0 <= bar.x <= chart.width and 0 < bar.height <= chart.height for bar in chart.bars
        )
