"""How probable a share of the keys is, compared with scipy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from registry.splits.shares import ALARM, probability_of


@given(st.integers(1, 4096), st.floats(0, 1), st.integers(1, 9999))
def test_it_is_twice_the_smaller_tail_of_the_binomial_distribution(of, part, points):
    keys, share = round(part * of), points / 10_000

    expected = 2 * min(binom.cdf(keys, of, share), binom.sf(keys - 1, of, share))

    assert probability_of(keys, of, share) == pytest.approx(min(1, expected), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    ("keys", "of", "share", "expected"), [(0, 50, 0.0, 1), (1, 50, 0.0, 0), (50, 50, 1.0, 1)]
)
def test_a_version_with_no_or_all_buckets(keys, of, share, expected):
    assert probability_of(keys, of, share) == expected


def test_chance_alone_gives_no_alarm_and_a_version_without_half_of_its_keys_does():
    assert probability_of(440, 4096, 0.1) > 1e-2
    assert probability_of(205, 4096, 0.1) < ALARM
