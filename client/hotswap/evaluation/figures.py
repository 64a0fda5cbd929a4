"""The figures of the plots of predictions for held-out rows, small enough to store."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from hotswap.evaluation.curves import probability_curves
from hotswap.evaluation.predicted import Predicted

MAX_SAMPLE = 500
MAX_PLOTTED_CLASSES = 100
RESIDUAL_BINS = 30


def figures(made: Predicted, seed: int) -> dict[str, Any]:
    """``predicted_vs_true`` and ``residuals`` of a regression; ``confusion_matrix`` and the curves
    of a classification with at most MAX_PLOTTED_CLASSES, as JSON.

    ``seed`` draws the rows of a sample.
    """
    if made.classes is None:
        return {
            "predicted_vs_true": _sample(made.true, made.predicted, seed),
            "residuals": _histogram(made.true - made.predicted),
        }
    if len(made.classes) > MAX_PLOTTED_CLASSES:
        return {}
    counts = confusion_matrix(made.true, made.predicted, labels=made.classes)
    plots: dict[str, Any] = {
        "confusion_matrix": {"labels": made.classes.tolist(), "counts": counts.tolist()}
    }
    if made.probabilities is not None:
        plots.update(probability_curves(made.true, made.probabilities, made.classes))
    return plots


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
