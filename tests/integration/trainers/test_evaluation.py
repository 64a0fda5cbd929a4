"""A model is measured beside a dummy, and what a plot needs is kept."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeRegressor

from hotswap.evaluation.figures import MAX_SAMPLE
from hotswap.evaluation.predicted import Predicted
from trainers.evaluation import Rows, evaluate


def fitted(model, rows):
    columns = ColumnTransformer([("as_is", "passthrough", list(rows.features.columns))])
    return Pipeline([("features", columns), ("model", model)]).fit(rows.features, rows.target)


def line(count, noise=0.0):
    draws = np.random.default_rng(0)
    features = pd.DataFrame({"x": draws.uniform(0, 10, count), "idle": draws.uniform(0, 1, count)})
    return Rows(features, 3 * features["x"].to_numpy() + 1 + noise * draws.normal(size=count))


def test_regression_metrics_equal_hand_computed_values():
    true, predicted = np.array([1.0, 2.0, 3.0, 6.0]), np.array([1.0, 2.0, 5.0, 6.0])
    figures = Predicted(true, predicted).metrics()

    assert figures["mse"] == 1.0
    assert figures["rmse"] == 1.0
    assert figures["mae"] == 0.5
    assert figures["median_absolute_error"] == 0.0
    assert figures["r2"] == pytest.approx(1 - 4 / 14)


def test_classification_metrics_equal_hand_computed_values():
    classes = np.array(["no", "yes"])
    true, predicted = np.array(["yes", "no", "yes", "no"]), np.array(["yes", "no", "no", "no"])
    probabilities = np.array([[0.2, 0.8], [0.9, 0.1], [0.6, 0.4], [0.7, 0.3]])
    figures = Predicted(true, predicted, probabilities, classes).metrics()

    assert figures["accuracy"] == 0.75
    assert figures["recall_macro"] == 0.75
    assert figures["precision_macro"] == pytest.approx((2 / 3 + 1) / 2)
    assert figures["f1_macro"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert figures["log_loss"] == pytest.approx(-np.log([0.8, 0.9, 0.4, 0.7]).mean())
    assert figures["roc_auc"] == 1.0


def test_roc_auc_is_omitted_if_a_class_has_no_row():
    classes = np.array(["a", "b", "c"])
    true = np.array(["a", "b"])
    figures = Predicted(true, true, np.eye(3)[:2], classes).metrics()

    assert "roc_auc" not in figures
    assert figures["accuracy"] == 1.0


def test_a_regression_is_compared_with_the_mean_and_stores_its_plots():
    train, test = line(100, noise=1.0), line(1000, noise=1.0)
    evaluation = evaluate(fitted(LinearRegression(), train), "regression", train, test, seed=0)

    assert evaluation.metrics["rmse"] < evaluation.baseline["rmse"] / 5
    assert evaluation.metrics.keys() == evaluation.baseline.keys()
    sample = evaluation.plots["predicted_vs_true"]
    assert len(sample["true"]) == len(sample["predicted"]) == MAX_SAMPLE
    assert set(sample["true"]) <= set(test.target.tolist())
    residuals = evaluation.plots["residuals"]
    assert sum(residuals["counts"]) == 1000
    assert len(residuals["edges"]) == len(residuals["counts"]) + 1


def test_the_baseline_is_the_mean_of_the_rows_trained_on():
    train = line(50)
    test = Rows(train.features + 5, train.target + 15)
    evaluation = evaluate(fitted(LinearRegression(), train), "regression", train, test, seed=0)

    expected = Predicted(test.target, np.full(50, train.target.mean())).metrics()
    assert evaluation.baseline == pytest.approx(expected)


def test_a_perfect_fit_still_has_a_histogram():
    train = line(50)
    evaluation = evaluate(fitted(LinearRegression(), train), "regression", train, train, seed=0)

    assert evaluation.plots["residuals"]["counts"] == [50]


def test_coefficients_and_importances_are_named_in_sorted_order():
    train = line(50)
    linear = evaluate(fitted(LinearRegression(), train), "regression", train, train, seed=0)
    tree = evaluate(fitted(DecisionTreeRegressor(), train), "regression", train, train, seed=0)

    first, second = linear.plots["coefficients"]
    assert (first["feature"], first["value"]) == ("x", pytest.approx(3))
    assert second["feature"] == "idle"
    assert tree.plots["importances"][0]["feature"] == "x"
    assert tree.plots["importances"][0]["value"] > 0.9


def classes_of(count, labels):
    draws = np.random.default_rng(1)
    features = pd.DataFrame({"x": draws.uniform(0, len(labels), count)})
    return Rows(features, np.array(labels)[features["x"].astype(int)])


def test_two_classes_have_one_roc_curve_and_signed_coefficients():
    rows = classes_of(2000, ["no", "yes"])
    noisy = Rows(rows.features, np.random.default_rng(2).permutation(rows.target))
    plots = evaluate(
        fitted(LogisticRegression(), noisy), "classification", noisy, noisy, seed=0
    ).plots

    (curve,) = plots["roc"]
    assert curve["class"] == "yes"
    assert 100 < len(curve["fpr"]) == len(curve["tpr"]) <= 200
    assert (curve["fpr"][0], curve["tpr"][-1]) == (0.0, 1.0)
    assert "by_class" not in plots["coefficients"][0]


def test_three_classes_have_a_curve_each_and_coefficients_for_each_class():
    rows = classes_of(300, [5, 6, 7])
    evaluation = evaluate(fitted(LogisticRegression(), rows), "classification", rows, rows, seed=0)

    assert [curve["class"] for curve in evaluation.plots["roc"]] == [5, 6, 7]
    matrix = evaluation.plots["confusion_matrix"]
    assert matrix["labels"] == [5, 6, 7]
    assert [sum(row) for row in matrix["counts"]] == [
        int((rows.target == label).sum()) for label in (5, 6, 7)
    ]
    (coefficient,) = evaluation.plots["coefficients"]
    assert len(coefficient["by_class"]) == 3
    assert coefficient["value"] == pytest.approx(np.abs(coefficient["by_class"]).mean())
    assert evaluation.metrics["accuracy"] > evaluation.baseline["accuracy"]
    assert all(math.isfinite(value) for value in evaluation.metrics.values())
