"""The metrics that each task has, by name, and which way is better. Imports nothing heavy."""

from collections.abc import Mapping

from registry.signature import Task

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
"""Of these metrics it is known; of what an uploader makes up it is not."""
