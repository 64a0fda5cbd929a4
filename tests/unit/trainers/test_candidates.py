"""Which candidates a search tries."""

import pytest
from scipy import stats

from trainers.candidates import candidates
from trainers.search_space import Range, Search


def sampled(draws, **params):
    return Search(method="random", params=params, draws=draws)


def test_a_grid_is_every_combination():
    rule = Search(method="grid", params={"a": (1, None), "b": ("x", "y", "z")})

    tried = candidates(rule, seed=0)

    assert len(tried) == 6
    assert {(one["a"], one["b"]) for one in tried} == {(a, b) for a in (1, None) for b in "xyz"}


def test_equal_seeds_draw_equal_candidates():
    rule = sampled(20, depth=Range(1, 40), rate=Range(0.01, 1.0, log=True), kind=("a", "b"))

    assert candidates(rule, seed=4) == candidates(rule, seed=4) != candidates(rule, seed=5)


@pytest.mark.parametrize("log", [False, True])
def test_a_short_range_is_drawn_completely_without_repeats(log):
    tried = candidates(sampled(6, depth=Range(1, 6, log=log)), seed=0)

    assert sorted(one["depth"] for one in tried) == [1, 2, 3, 4, 5, 6]
    assert {type(one["depth"]) for one in tried} == {int}


def test_integer_ranges_too_wide_to_list_are_drawn_from():
    tried = candidates(sampled(50, a=Range(0, 10**15), b=Range(0, 10**15)), seed=1)

    assert len(tried) == 50
    assert all(0 <= one[name] <= 10**15 and type(one[name]) is int for one in tried for name in one)


@pytest.mark.parametrize(
    ("space", "distribution"),
    [
        (Range(0.001, 10.0, log=True), stats.loguniform(0.001, 10)),
        (Range(2.0, 3.0), stats.uniform(2, 1)),
    ],
)
def test_ranges_are_uniform_or_log_uniform(space, distribution):
    drawn = [one["rate"] for one in candidates(sampled(2_000, rate=space), seed=0)]

    assert all(type(rate) is float and space.low <= rate <= space.high for rate in drawn)
    assert stats.kstest(drawn, distribution.cdf).pvalue > 0.001
