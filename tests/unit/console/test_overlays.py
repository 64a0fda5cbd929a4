"""Histograms of several versions on common axes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.charts.overlays import BINS, outlines

EDGES = st.lists(st.floats(-1e150, 1e150, allow_nan=False), min_size=2, max_size=20).map(sorted)
HISTOGRAMS = st.lists(
    EDGES.flatmap(
        lambda edges: st.tuples(
            st.just(edges),
            st.lists(st.integers(0, 2**53), min_size=len(edges) - 1, max_size=len(edges) - 1),
        )
    ),
    min_size=1,
    max_size=5,
)


def tops(line: str) -> list[float]:
    """The heights of the steps of an outline, in coordinates: smaller is higher."""
    points = [tuple(map(float, point.split(","))) for point in line.split()]
    return [y for _, y in points[1:-1:2]]


def test_histograms_of_other_widths_have_common_bins() -> None:
    """The same rows in bins twice as wide have the same outline."""
    narrow = ([-2.0, -1.0, 0.0, 1.0, 2.0], [10, 10, 30, 30])
    wide = ([-2.0, 0.0, 2.0], [20, 60])
    first, second = (tops(line) for line in outlines([narrow, wide]).lines)
    assert first == pytest.approx(second)
    assert len(first) == BINS
    assert first[0] > first[-1]  # fewer rows on the left


def test_counts_become_shares_of_their_own_version() -> None:
    few, many = ([0.0, 1.0], [3]), ([0.0, 1.0], [3000])
    assert len(set(outlines([few, many]).lines)) == 1


@given(HISTOGRAMS)
def test_outlines_are_finite_whatever_the_histograms(histograms) -> None:
    drawn = outlines(histograms)
    for line in drawn.lines:
        assert not re.search("nan|inf", line)
        for point in line.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= drawn.axes.width
            assert 0 <= y <= drawn.axes.height
