"""The small chart of counts."""

from hypothesis import given
from hypothesis import strategies as st

from console.charts.sparkline import HEIGHT, WIDTH, sparkline


def test_bars_are_as_high_as_their_counts_and_zeros_have_none() -> None:
    chart = sparkline([0, 5, 10, 0])

    assert [(bar.place, bar.value, bar.height) for bar in chart.bars] == [
        (1, 5, HEIGHT / 2),
        (2, 10, HEIGHT),
    ]
    assert chart.total == 15


@given(st.lists(st.integers(0, 10**12), max_size=200))
def test_bars_stay_inside_the_chart(counts: list[int]) -> None:
    for bar in sparkline(counts).bars:
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH + 0.6
        assert bar.y >= 0
        assert round(bar.y + bar.height, 6) == HEIGHT
