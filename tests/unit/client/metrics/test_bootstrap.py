"""Confidence intervals of metrics on a holdout."""

import numpy as np
import pytest

from hotswap.metrics.bootstrap import DRAWS, drawn, interval
from hotswap.metrics.regression import RegressionMeasures


def measures(true, noise, seed):
    return RegressionMeasures(
        true, true + noise * np.random.default_rng(seed).normal(size=len(true))
    )


TRUE = np.random.default_rng(0).normal(size=800)


def test_the_same_seed_gives_the_same_draws():
    one, other = (drawn([measures(TRUE, 1, 1)], len(TRUE), ["rmse"]) for _ in range(2))

    assert np.array_equal(one[0]["rmse"], other[0]["rmse"])
    assert len(one[0]["rmse"]) == DRAWS


@pytest.mark.parametrize("rows", [3, 800])
def test_both_measures_get_the_same_rows_in_each_draw(rows):
    twice = [measures(TRUE[:rows], 1, 1)] * 2

    first, second = drawn(twice, rows, ["rmse", "median_absolute_error"])

    for name, figures in first.items():
        assert np.array_equal(figures, second[name])


def test_common_variation_cancels_in_the_difference():
    shared = 3 * np.random.default_rng(5).normal(size=len(TRUE))
    worse = RegressionMeasures(TRUE, TRUE + shared + 0.05)
    better = RegressionMeasures(TRUE, TRUE + shared)

    first, second = drawn([better, worse], len(TRUE), ["mae"])
    low, high = interval(first["mae"] - second["mae"], 95)
    alone_low, alone_high = interval(first["mae"], 95)

    assert high - low < (alone_high - alone_low) / 5


def test_the_interval_of_a_mean_has_the_theoretical_width():
    draws = drawn([measures(TRUE, 2, 3)], len(TRUE), ["mae"])[0]["mae"]
    low, high = interval(draws, 95)

    errors = np.abs(2 * np.random.default_rng(3).normal(size=len(TRUE)))
    spread = errors.std() / np.sqrt(len(TRUE))
    assert (high - low) / 2 == pytest.approx(1.96 * spread, rel=0.1)
    assert low < errors.mean() < high


def test_a_higher_level_gives_a_wider_interval():
    draws = drawn([measures(TRUE, 2, 3)], len(TRUE), ["rmse"])[0]["rmse"]
    ninety, ninety_nine = interval(draws, 90), interval(draws, 99)

    assert ninety_nine[0] < ninety[0] < ninety[1] < ninety_nine[1]


def test_too_few_defined_draws_give_no_interval():
    figures = np.full(DRAWS, np.nan)
    figures[:50] = 0.5

    assert interval(figures, 95) is None
