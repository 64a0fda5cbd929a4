"""The metrics as scikit-learn computes them, to compare ours with."""

import math
from typing import Any

import numpy as np
from sklearn import metrics


def regression_metrics(true: Any, predicted: Any) -> dict[str, float]:
    mse = metrics.mean_squared_error(true, predicted)
    return {
        "rmse": math.sqrt(mse),
        "mae": metrics.mean_absolute_error(true, predicted),
        "mse": mse,
        "r2": metrics.r2_score(true, predicted),
        "median_absolute_error": metrics.median_absolute_error(true, predicted),
    }


def classification_metrics(
    true: Any, predicted: Any, probabilities: Any, classes: Any
) -> dict[str, float]:
    """Without roc_auc where a class has no row."""
    macro = {"average": "macro", "zero_division": 0}
    figures = {
        "accuracy": metrics.accuracy_score(true, predicted),
        "f1_macro": metrics.f1_score(true, predicted, **macro),
        "precision_macro": metrics.precision_score(true, predicted, **macro),
        "recall_macro": metrics.recall_score(true, predicted, **macro),
        "log_loss": metrics.log_loss(true, probabilities, labels=classes),
    }
    if len(np.unique(true)) < len(classes):
        return figures
    if len(classes) == 2:
        area = metrics.roc_auc_score(true == classes[1], probabilities[:, 1])
    else:
        area = metrics.roc_auc_score(
            true, probabilities, labels=classes, multi_class="ovr", average="macro"
        )
    return {**figures, "roc_auc": area}
