"""The names of the metrics of each task, and which direction is better."""

from collections.abc import Mapping
from typing import Literal

Task = Literal["regression", "classification"]

METRICS: Mapping[Task, tuple[str, ...]] = {
    "regression": ("rmse", "mae", "mse", "r2", "median_absolute_error"),
    "classification": (
        "accuracy",
        "f1_macro",
        "precision_macro",
        "recall_macro",
        "log_loss",
        "roc_auc",
    ),
}
HIGHER_IS_BETTER = frozenset(
    {"r2", "accuracy", "f1_macro", "precision_macro", "recall_macro", "roc_auc"}
)
LOWER_IS_BETTER = frozenset(name for names in METRICS.values() for name in names) - HIGHER_IS_BETTER
"""The direction of an uploader's own metrics is not known."""
