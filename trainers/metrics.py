"""Figures that say how good a model is on rows it has not seen. Higher is better for r2, accuracy,
f1, precision, recall and roc_auc; lower for all others. Errors are in the target's own unit."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from registry.signature import Task


def measure(
    task: Task, true: NDArray[Any], predicted: NDArray[Any], probabilities: NDArray[Any] | None,
    classes: NDArray[Any] | None,
) -> dict[str, float]:  # fmt: skip
    """The metrics of one task; one that does not exist for these rows is left out.

    ``true`` and ``predicted`` are one value a row; for classification ``probabilities`` are rows x
    ``classes``.
    """
    if task == "regression":
        figures = regression_metrics(true, predicted)
    else:
        assert probabilities is not None  # noqa: S101 -- for the type checker
        assert classes is not None  # noqa: S101
        figures = classification_metrics(true, predicted, probabilities, classes)
    return {name: float(value) for name, value in figures.items() if math.isfinite(value)}


def regression_metrics(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> dict[str, Any]:
    """rmse, mae, mse, r2 and median_absolute_error."""
    mse = sk.mean_squared_error(true, predicted)
    return {
        "rmse": math.sqrt(mse),
        "mae": sk.mean_absolute_error(true, predicted),
        "mse": mse,
        "r2": sk.r2_score(true, predicted),
        "median_absolute_error": sk.median_absolute_error(true, predicted),
    }


def classification_metrics(
    true: NDArray[Any],
    predicted: NDArray[Any],
    probabilities: NDArray[np.float64],
    classes: NDArray[Any],
) -> dict[str, Any]:
    """accuracy, the macro means of f1, precision and recall, log_loss, and roc_auc.

    roc_auc is that of the second of two classes, or the macro mean of each class against the
    rest; it is left out where a class has no held-out row.
    """
    macro = {"average": "macro", "zero_division": 0}
    figures = {
        "accuracy": sk.accuracy_score(true, predicted),
        "f1_macro": sk.f1_score(true, predicted, **macro),
        "precision_macro": sk.precision_score(true, predicted, **macro),
        "recall_macro": sk.recall_score(true, predicted, **macro),
        "log_loss": sk.log_loss(true, probabilities, labels=classes),
    }
    if len(np.unique(true)) == len(classes):
        if len(classes) == 2:
            figures["roc_auc"] = sk.roc_auc_score(true == classes[1], probabilities[:, 1])
        else:
            figures["roc_auc"] = sk.roc_auc_score(
                true, probabilities, labels=classes, multi_class="ovr", average="macro"
            )
    return figures


def measure_model(model: Any, task: Task, features: Any, true: NDArray[Any]) -> dict[str, float]:
    """The metrics of a fitted ``model`` on rows, asked once."""
    predicted, probabilities, classes = answers(model, task, features)
    return measure(task, true, predicted, probabilities, classes)


def answers(
    model: Any, task: Task, features: Any
) -> tuple[NDArray[Any], NDArray[np.float64] | None, NDArray[Any] | None]:
    """Predictions; for classes also their probabilities, rows x classes, and the classes.

    Trees and forests choose the label of the largest probability, so they are asked once;
    logistic regression looks at scores, which decide where probabilities are level.
    """
    if task == "regression":
        return model.predict(features), None, None
    probabilities = model.predict_proba(features)
    classes = model.classes_
    if hasattr(model, "decision_function"):
        return model.predict(features), probabilities, classes
    return classes.take(np.argmax(probabilities, axis=1)), probabilities, classes
