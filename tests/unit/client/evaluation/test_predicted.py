"""Metrics of held-out rows, and how far they would move with other rows of the same kind."""

import math

import numpy as np
import pytest

from hotswap.evaluation.predicted import Predicted
from tests.marks import first_fast
from tests.scikit_learn_metrics import classification_metrics, regression_metrics

DRAWS = 100


def plain(predicted, seed):
    """A bootstrap that scikit-learn measures, one draw after the other."""
    generator = np.random.default_rng(seed)
    figures = {}
    for _ in range(DRAWS):
        rows = generator.integers(0, len(predicted.true), len(predicted.true))
        true, answers = predicted.true[rows], predicted.predicted[rows]
        if predicted.classes is None:
            drawn = regression_metrics(true, answers)
        else:
            chances = predicted.probabilities[rows]
            drawn = classification_metrics(true, answers, chances, predicted.classes)
        for name, figure in drawn.items():
            figures.setdefault(name, []).append(figure)
    return {name: np.percentile(drawn, [2.5, 97.5]) for name, drawn in figures.items()}


@pytest.fixture(scope="module")
def quantities():
    draws = np.random.default_rng(3)
    true = draws.normal(1e6, 10, 41)
    return Predicted(true, true + draws.normal(0, 4, 41).round())


def classified(count, rows):
    draws = np.random.default_rng(count)
    true = draws.integers(0, count, rows)
    # In tenths, so that many are level.
    chances = (draws.integers(1, 5, (rows, count)) + 6 * (true[:, None] == np.arange(count))) / 10
    chances /= chances.sum(axis=1, keepdims=True)
    classes = np.array([f"c{index}" for index in range(count)])
    return Predicted(classes[true], classes[chances.argmax(axis=1)], chances, classes)


def test_intervals_match_those_of_a_plain_bootstrap(quantities):
    found = quantities.intervals(quantities.metrics(), seed=5)

    for name, (low, high) in plain(quantities, 6).items():
        assert found[name] == pytest.approx([low, high], abs=0.3 * (high - low) + 1e-9), name


@pytest.mark.parametrize("count", first_fast([4, 2]))
def test_intervals_of_classifications_match_those_of_a_plain_bootstrap(count):
    predicted = classified(count, 60)
    found = predicted.intervals(predicted.metrics(), seed=2)

    for name, (low, high) in plain(predicted, 3).items():
        assert found[name] == pytest.approx([low, high], abs=0.3 * (high - low) + 1e-9), name


def test_the_seed_determines_the_interval_and_the_metric_is_within_it(quantities):
    metrics = quantities.metrics()
    found = quantities.intervals(metrics, seed=1)

    assert quantities.intervals(metrics, seed=1) == found
    assert quantities.intervals(metrics, seed=2) != found
    assert all(low <= metrics[name] <= high for name, (low, high) in found.items())


def test_a_metric_undefined_in_most_draws_is_omitted():
    labels = np.array(["a", "b"])
    without_c = Predicted(labels, labels, np.eye(3)[:2], np.array(["a", "b", "c"]))

    found = without_c.intervals(["roc_auc", "accuracy", "unheard_of"], seed=0)

    assert set(found) == {"accuracy"}


def test_many_rows_give_narrow_intervals():
    true = np.random.default_rng(0).normal(size=60_000)
    found = Predicted(true, np.zeros(60_000)).intervals(["rmse"], seed=0)

    low, high = found["rmse"]
    assert high - low == pytest.approx(4 / math.sqrt(2 * 60_000), rel=0.25)
