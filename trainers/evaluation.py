"""Measures a fitted pipeline and a baseline on held-out rows, and keeps the figures of plots."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import confusion_matrix

from registry.signature import Task
from trainers.curves import probability_curves
from trainers.metrics import predict

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

MAX_SAMPLE = 500
MAX_WEIGHTS = 200
MAX_PLOTTED_CLASSES = 100
RESIDUAL_BINS = 30


@dataclass(frozen=True, slots=True)
class Rows:
    """Features and target of the same rows."""

    features: "pd.DataFrame"
    target: NDArray[Any]

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: NDArray[np.intp]) -> "Rows":
        """The rows at the positions ``rows``."""
        return Rows(self.features.iloc[rows], self.target[rows])


@dataclass(frozen=True, slots=True)
class Evaluation:
    """``metrics`` and ``baseline`` have the same names; ``plots`` is JSON, kept with the version.

    The baseline uses no feature: it predicts the mean, or the classes' shares of the training rows.
    ``rows`` were held out, ``train_rows`` fitted on; ``intervals`` are at 95%.
    """

    rows: int
    train_rows: int
    metrics: dict[str, float]
    intervals: dict[str, list[float]]
    baseline: dict[str, float]
    plots: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """What a version keeps in addition to its metrics."""
        return {
            "rows": self.rows,
            "train_rows": self.train_rows,
            "metric_intervals": self.intervals,
            "baseline": self.baseline,
            **self.plots,
        }


def evaluate(pipeline: "Pipeline", task: Task, train: Rows, test: Rows, seed: int) -> Evaluation:
    """Predict the rows of ``test`` once and measure the predictions, and those of a baseline fitted
    on ``train``."""
    made = predict(pipeline, task, test.features, test.target)
    metrics = made.metrics()
    intervals = made.intervals(metrics, seed)
    predicted, probabilities, classes = made.predicted, made.probabilities, made.classes
    plots: dict[str, Any] = {}
    if probabilities is None or classes is None:
        plots["predicted_vs_true"] = _sample(test.target, predicted, seed)
        plots["residuals"] = _histogram(test.target - predicted)
    elif len(classes) <= MAX_PLOTTED_CLASSES:
        counts = confusion_matrix(test.target, predicted, labels=classes)
        plots["confusion_matrix"] = {"labels": classes.tolist(), "counts": counts.tolist()}
        plots.update(probability_curves(test.target, probabilities, classes))
    plots.update(_weights(pipeline))
    baseline = _baseline(task, train, test)
    return Evaluation(len(test), len(train), metrics, intervals, baseline, plots)


def _baseline(task: Task, train: Rows, test: Rows) -> dict[str, float]:
    dummy = DummyRegressor() if task == "regression" else DummyClassifier(strategy="prior")
    # A dummy uses no feature, so any column of the right length is enough.
    dummy.fit(np.zeros((len(train), 1)), train.target)
    blank = np.zeros((len(test), 1))
    return predict(dummy, task, blank, test.target).metrics()


def _sample(
    true: NDArray[np.float64], predicted: NDArray[np.float64], seed: int
) -> dict[str, list[float]]:
    rows = np.arange(len(true))
    if len(rows) > MAX_SAMPLE:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MAX_SAMPLE, replace=False))
    return {"true": true[rows].tolist(), "predicted": predicted[rows].tolist()}


def _histogram(residuals: NDArray[np.float64]) -> dict[str, list[float]]:
    spread = np.ptp(residuals)
    # Errors that differ only by rounding are too close for bins between them.
    is_flat = spread <= 1e-9 * max(1.0, float(np.abs(residuals).max()))
    counts, edges = np.histogram(residuals, bins=1 if is_flat else RESIDUAL_BINS)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _weights(pipeline: "Pipeline") -> dict[str, list[dict[str, Any]]]:
    """``importances`` or ``coefficients``, the largest first.

    The features are those after the preprocessing: the coefficient of a scaled column is the change
    for one standard deviation. With three or more classes ``value`` is the mean of the
    coefficients' absolute values, and ``by_class`` has each, in class order.
    """
    # scikit-learn puts the name of the step before that of the column: scale__age.
    named = pipeline[0].get_feature_names_out()
    names = [name.partition("__")[2] for name in named]
    model = pipeline[-1]
    if hasattr(model, "feature_importances_"):
        key, weights = "importances", np.atleast_2d(model.feature_importances_)
    else:
        key, weights = "coefficients", np.atleast_2d(model.coef_)
    values = weights[0] if len(weights) == 1 else np.abs(weights).mean(axis=0)
    largest = np.argsort(-np.abs(values), kind="stable")[:MAX_WEIGHTS]
    entries: list[dict[str, Any]] = []
    for index in largest:
        entry: dict[str, Any] = {"feature": names[index], "value": float(values[index])}
        if len(weights) > 1:
            entry["by_class"] = weights[:, index].tolist()
        entries.append(entry)
    return {key: entries}
