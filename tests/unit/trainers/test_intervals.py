"""Intervals of metrics: those of a plain bootstrap, drawn in blocks."""

import math
from contextlib import suppress

import numpy as np
import pytest

from trainers.intervals import Answered, intervals
from trainers.metrics import measure

DRAWS = 80


def plain(task, answered, seed):
    """The same draws, each measured by scikit-learn."""
    rows = len(answered.true)
    generator = np.random.default_rng(seed)
    figures = {}
    for _ in range(DRAWS):
        taken = generator.integers(0, rows, rows)
        chances = None if answered.probabilities is None else answered.probabilities[taken]
        if chances is not None and len(np.unique(answered.true[taken])) < 2:
            continue
        with suppress(ValueError):
            drawn = measure(
                task, answered.true[taken], answered.predicted[taken], chances, answered.classes
            )
            for name, figure in drawn.items():
                figures.setdefault(name, []).append(figure)
    return {name: np.quantile(drawn, [0.025, 0.975]) for name, drawn in figures.items()}


@pytest.fixture(scope="module")
def quantities():
    draws = np.random.default_rng(3)
    true = draws.normal(1e6, 10, 41)
    return Answered(true, true + draws.normal(0, 4, 41).round())


def classified(count, rows):
    draws = np.random.default_rng(count)
    true = draws.integers(0, count, rows)
    # In tenths, so that many are level.
    chances = (draws.integers(1, 5, (rows, count)) + 6 * (true[:, None] == np.arange(count))) / 10
    chances /= chances.sum(axis=1, keepdims=True)
    classes = np.array([f"c{index}" for index in range(count)])
    return Answered(classes[true], classes[chances.argmax(axis=1)], chances, classes)


def test_those_of_quantities_are_a_plain_bootstrap_s(quantities):
    metrics = measure("regression", quantities.true, quantities.predicted, None, None)
    found = intervals(quantities, metrics, seed=5, draws=DRAWS)

    assert set(found) == set(metrics)
    for name, bounds in plain("regression", quantities, 5).items():
        assert found[name] == pytest.approx(bounds, rel=1e-6)


@pytest.mark.parametrize("count", [2, 4])
def test_those_of_classes_are_a_plain_bootstrap_s(count):
    answered = classified(count, 60)
    metrics = measure(
        "classification", answered.true, answered.predicted, answered.probabilities,
        answered.classes,
    )  # fmt: skip
    found = intervals(answered, metrics, seed=2, draws=DRAWS)

    assert set(found) == set(metrics)
    for name, bounds in plain("classification", answered, 2).items():
        assert found[name] == pytest.approx(bounds, rel=1e-6), name


def test_the_seed_decides_and_the_metric_lies_within(quantities):
    metrics = measure("regression", quantities.true, quantities.predicted, None, None)
    found = intervals(quantities, metrics, seed=1)

    assert intervals(quantities, metrics, seed=1) == found
    assert intervals(quantities, metrics, seed=2) != found
    assert all(low <= metrics[name] <= high for name, (low, high) in found.items())


def test_a_metric_that_most_draws_do_not_have_is_left_out():
    same = Answered(np.array([2.0, 2.0]), np.array([2.0, 1.0]))

    found = intervals(same, {"r2": 0.0, "rmse": 1.0, "unheard_of": 1.0}, seed=0)

    assert set(found) == {"rmse"}


def test_many_rows_take_fewer_draws_and_give_narrow_bounds():
    true = np.random.default_rng(0).normal(size=60_000)
    found = intervals(Answered(true, np.zeros(60_000)), {"rmse": 1.0}, seed=0)

    low, high = found["rmse"]
    assert high - low == pytest.approx(4 / math.sqrt(2 * 60_000), rel=0.25)
