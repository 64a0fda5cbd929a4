"""The curves of a classifier: right, thinned, and small enough for an upload."""

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from api.upload_forms import MAX_METADATA
from hotswap.evaluation.curves import MAX_POINTS, probability_curves

NO_YES = np.array(["no", "yes"])


def two(true, probable):
    """The curves of 'yes' against 'no'."""
    yes = np.asarray(probable, dtype=float)
    curves = probability_curves(np.asarray(true), np.column_stack([1 - yes, yes]), NO_YES)
    assert [len(kept) for kept in curves.values()] == [1, 1, 1]
    return {name: kept[0] for name, kept in curves.items()}


def noisy(count):
    draws = np.random.default_rng(0)
    probable = draws.uniform(size=count)
    return np.where(draws.uniform(size=count) < probable, "yes", "no"), probable


def test_two_classes_have_curves_of_the_second_equal_to_hand_computed_ones():
    curves = two(["yes", "no", "yes", "no"], [0.9, 0.8, 0.35, 0.1])

    assert curves["roc"] == {
        "class": "yes",
        "auc": 0.75,
        "fpr": [0.0, 0.0, 0.5, 0.5, 1.0],
        "tpr": [0.0, 0.5, 0.5, 1.0, 1.0],
    }
    kept = curves["precision_recall"]
    assert (kept["class"], kept["positives"]) == ("yes", 0.5)
    assert kept["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert kept["recall"][0] == 1.0
    assert (kept["recall"][-1], kept["precision"][-1]) == (0.0, 1.0)


def test_calibration_has_means_of_the_non_empty_bins():
    curves = two(["yes", "no", "no", "yes", "yes"], [1.0, 0.93, 0.11, 0.13, 0.0])

    assert curves["calibration"] == {
        "class": "yes",
        "predicted": [0.0, pytest.approx(0.12), pytest.approx(0.965)],
        "observed": [1.0, 0.5, 0.5],
        "counts": [1, 2, 2],
    }


def test_a_long_curve_is_thinned_and_keeps_its_ends_and_area():
    true, probable = noisy(5_000)
    curves = two(true, probable)

    for curve, axis in ((curves["roc"], "fpr"), (curves["precision_recall"], "recall")):
        assert len(curve[axis]) == MAX_POINTS
        assert curve["points"] > MAX_POINTS
        assert {curve[axis][0], curve[axis][-1]} == {0.0, 1.0}
    assert curves["roc"]["auc"] == pytest.approx(roc_auc_score(true == "yes", probable))
    assert curves["precision_recall"]["average_precision"] == pytest.approx(
        average_precision_score(true == "yes", probable)
    )


def test_a_short_curve_is_complete_without_a_number_of_points():
    curves = two(*noisy(40))

    assert "points" not in curves["roc"]
    assert "points" not in curves["precision_recall"]


def test_a_class_without_rows_is_omitted_from_curves_that_need_some():
    classes = np.array([5, 6, 7])
    curves = probability_curves(np.array([5, 6, 6]), np.full((3, 3), 1 / 3), classes)

    assert [curve["class"] for curve in curves["roc"]] == [5, 6]
    assert [curve["class"] for curve in curves["precision_recall"]] == [5, 6]
    assert [curve["class"] for curve in curves["calibration"]] == [5, 6, 7]
    assert curves["calibration"][2]["observed"] == [0.0]


def test_curves_of_a_hundred_classes_fit_into_a_quarter_of_the_metadata():
    draws = np.random.default_rng(1)
    classes = np.arange(100)
    true = draws.choice(classes, 20_000)
    probabilities = draws.dirichlet(np.ones(100), 20_000)
    curves = probability_curves(true, probabilities, classes)

    assert len(curves["roc"]) == 100
    assert len(json.dumps(curves)) < MAX_METADATA / 4
