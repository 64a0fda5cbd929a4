"""Figures of a few versions on one axis."""

from hypothesis import given
from hypothesis import strategies as st

from console.charts.intervals import WIDTH, intervals
from console.charts.metric import Figure

numbers = st.floats(width=32) | st.just(0.0)
figures = st.none() | st.builds(
    Figure, st.integers(1, 9), numbers, st.none() | st.tuples(numbers, numbers), st.booleans()
)


@given(st.lists(figures, min_size=1, max_size=5))
def test_every_coordinate_lies_in_the_chart(each: list[Figure | None]) -> None:
    chart = intervals(list(enumerate(each, start=1)))
    assert [row.number for row in chart.rows] == list(range(1, len(each) + 1))
    places = [row.x for row in chart.rows] + [x for row in chart.rows for x in row.whisker or ()]
    assert all(0 <= x <= WIDTH for x in places if x is not None)
    assert all(0 <= row.y <= chart.height for row in chart.rows)


def test_equal_figures_have_one_place() -> None:
    same = Figure(1, 5.0, None, is_live=False)
    first, missing, last = intervals([(1, same), (2, None), (3, same)]).rows
    assert first.x == last.x is not None
    assert missing.x is None
