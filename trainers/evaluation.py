"""Measures a fitted pipeline and a baseline on held-out rows, and keeps the figures of plots."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hotswap.evaluation.baseline import baseline
from hotswap.evaluation.figures import figures
from hotswap.evaluation.predicted import Predicted, predict
from hotswap.evaluation.weights import weights
from registry.signature import Task

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline


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
    ``made`` are the predictions for the rows held out, ``train_rows`` were fitted on; ``intervals``
    are at 95%.
    """

    made: Predicted
    train_rows: int
    metrics: dict[str, float]
    intervals: dict[str, list[float]]
    baseline: dict[str, float]
    plots: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """What a version keeps in addition to its metrics."""
        return {
            "rows": len(self.made.true),
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
    return Evaluation(
        made=made,
        train_rows=len(train),
        metrics=metrics,
        intervals=made.intervals(metrics, seed),
        baseline=baseline(task, train.target, test.target),
        plots={**figures(made, seed), **weights(pipeline)},
    )
