"""The metrics equal scikit-learn's, for a sample and for any weights of its rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score

from hotswap.metrics.classification import ClassificationMeasures
from hotswap.metrics.regression import RegressionMeasures
from registry.gates.grammar import METRICS
from tests.scikit_learn_metrics import classification_metrics, regression_metrics

REGRESSION = METRICS["regression"]
CLASSIFICATION = METRICS["classification"]
THOUSANDTHS = st.integers(-(10**9), 10**9).map(lambda number: number / 1000)
"""Targets that vary at all vary by more than scikit-learn's own division overflows on."""


def once(rows):
    return np.ones((1, rows), np.uint8)


def regression(true, predicted, counts=None):
    counts = once(len(true)) if counts is None else counts
    found = RegressionMeasures(true, predicted).figures(counts, REGRESSION)
    return [{name: found[name][draw] for name in found} for draw in range(len(counts))]


def classification(true, predicted, shares, counts=None):
    counts = once(len(true)) if counts is None else counts
    measures = ClassificationMeasures(true, predicted, shares.shape[1], shares)
    found = measures.figures(counts, CLASSIFICATION)
    return [{name: found[name][draw] for name in found} for draw in range(len(counts))]


def probabilities(draws, rows, classes):
    shares = draws.dirichlet(np.ones(classes), rows)
    shares[draws.random(rows) < 0.2] = np.eye(classes)[0]  # certain, and often wrong
    return shares


@pytest.mark.parametrize("rows", [2, 3, 10, 501])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_regression_metrics_equal_scikit_learn_s(rows, offset):
    draws = np.random.default_rng(rows)
    true = offset + draws.normal(size=rows)
    predicted = true + draws.normal(size=rows)

    expected = regression_metrics(true, predicted)

    assert regression(true, predicted)[0] == pytest.approx(expected, rel=1e-9)
    assert set(expected) == set(REGRESSION)


def test_r2_of_a_constant_target_equals_scikit_learn_s():
    true = np.full(5, 0.1)

    for predicted in (true, true + 1):
        expected = regression_metrics(true, predicted)
        assert regression(true, predicted)[0]["r2"] == expected["r2"]


@given(
    arrays(np.float64, st.shared(st.integers(2, 40), key="n"), elements=THOUSANDTHS),
    arrays(np.float64, st.shared(st.integers(2, 40), key="n"), elements=THOUSANDTHS),
    st.integers(0, 100),
)
def test_weights_count_rows_as_often_as_they_were_drawn(true, predicted, seed):
    chosen = np.random.default_rng(seed).integers(0, len(true), len(true))
    counts = np.bincount(chosen, minlength=len(true)).astype(np.uint8)[None, :]

    expected = regression_metrics(true[chosen], predicted[chosen])
    found = regression(true, predicted, counts)[0]

    del expected["r2"], found["r2"]  # badly conditioned where the target hardly varies
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("rows", [20, 400])
def test_classification_metrics_equal_scikit_learn_s(classes, rows):
    draws = np.random.default_rng(classes * rows)
    true = np.r_[np.arange(classes), draws.integers(0, classes, rows - classes)]
    shares = probabilities(draws, rows, classes).round(2 if classes == 2 else 15)
    shares /= shares.sum(axis=1, keepdims=True)
    predicted = shares.argmax(axis=1)

    expected = classification_metrics(true, predicted, shares, np.arange(classes))
    found = classification(true, predicted, shares)[0]

    assert found == pytest.approx(expected, rel=1e-12)
    assert set(found) == set(CLASSIFICATION)


def test_classification_metrics_of_draws_equal_scikit_learn_s_on_the_rows_drawn():
    draws = np.random.default_rng(4)
    rows, classes = 120, 3
    true = draws.integers(0, classes, rows)
    shares = probabilities(draws, rows, classes)
    predicted = draws.integers(0, classes, rows)
    chosen = draws.integers(0, rows, (25, rows))
    counts = np.array([np.bincount(one, minlength=rows) for one in chosen], np.uint8)

    for one, found in zip(chosen, classification(true, predicted, shares, counts), strict=True):
        expected = classification_metrics(
            true[one], predicted[one], shares[one], np.arange(classes)
        )
        assert found == pytest.approx(expected, rel=1e-12)


def test_unknown_labels_count_as_missed():
    true, predicted = np.array([0, 1, 2, 2]), np.array([0, 1, 1, 0])
    measures = ClassificationMeasures(true, predicted, 2, None)

    found = measures.figures(once(4), CLASSIFICATION)

    expected = classification_metrics(true, predicted, np.eye(3)[predicted], np.arange(3))
    assert set(found) == set(CLASSIFICATION) - {"log_loss", "roc_auc"}
    assert {name: figures[0] for name, figures in found.items()} == pytest.approx(
        {name: expected[name] for name in found}, rel=1e-12
    )


def test_a_draw_with_one_class_has_no_roc_auc():
    true, shares = np.array([0, 1]), np.array([[0.7, 0.3], [0.4, 0.6]])
    counts = np.array([[1, 1], [2, 0]], np.uint8)

    found = classification(true, shares.argmax(axis=1), shares, counts)

    assert found[0]["roc_auc"] == roc_auc_score(true, shares[:, 1])
    assert np.isnan(found[1]["roc_auc"])


def test_overflow_gives_infinity_without_a_warning():
    true, predicted = np.array([0.0, 1.0]), np.array([1e300, -1e300])

    assert regression(true, predicted)[0]["mse"] == np.inf
