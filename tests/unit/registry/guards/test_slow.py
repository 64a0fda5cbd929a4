"""Which answers are slow, by the times that the champion had before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.guards.slow import first_slow_bin, slow_answers


@pytest.mark.parametrize(
    ("bins", "first"),
    [
        ([99, 1, 0, 0], 1),
        ([98, 1, 1, 0], 2),
        ([98, 0, 2, 0], 3),
        ([0, 0, 0, 5], 4),
        ([0, 1, 0, 0], 2),
        ([0, 0, 0, 0], None),
    ],
)
def test_slow_begins_after_the_bin_of_the_99th_percentile(bins, first):
    assert first_slow_bin(bins) == first


def test_slow_answers_are_those_in_later_bins():
    assert slow_answers([7, 5, 3, 2], 2) == 5
    assert slow_answers([7, 5, 3, 2], 4) == 0


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=20).filter(any))
def test_at_most_one_in_a_hundred_of_the_champions_own_answers_is_slow(bins):
    first = first_slow_bin(bins)

    assert first is not None
    assert 100 * slow_answers(bins, first) <= sum(bins)
