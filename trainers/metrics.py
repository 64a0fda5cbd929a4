"""A model's predictions for held-out rows, their metrics, and the metrics' intervals.

Higher is better for r2, accuracy, f1, precision, recall and roc_auc; lower for all others. Errors
are in the target's own unit.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.metrics.bootstrap import Measures, drawn, figures_of, interval
from registry.metrics.classification import ClassificationMeasures
from registry.metrics.names import METRICS
from registry.metrics.regression import RegressionMeasures
from registry.signature import Task

LEVEL = 95.0


@dataclass(frozen=True, slots=True)
class Predicted:
    """The true values of some rows and a model's predictions for them.

    ``probabilities`` are rows x ``classes``, the classes in order; both None for a regression.
    """

    true: NDArray[Any]
    predicted: NDArray[Any]
    probabilities: NDArray[np.float64] | None = None
    classes: NDArray[Any] | None = None

    @property
    def task(self) -> Task:
        return "regression" if self.classes is None else "classification"

    def metrics(self) -> dict[str, float]:
        """Every metric of the task that is defined for these rows.

        roc_auc is that of the second of two classes, or the mean of each class against the rest;
        it is undefined where a class has no row.
        """
        return figures_of(self._measures(), len(self.true), METRICS[self.task])

    def intervals(self, names: Collection[str], seed: int) -> dict[str, list[float]]:
        """The 95% interval of each of the metrics ``names``, without those that most draws do not
        have. The same seed draws the same rows."""
        (figures,) = drawn([self._measures()], len(self.true), names, seed=seed)
        found = {name: interval(figures[name], LEVEL) for name in figures}
        return {name: list(bounds) for name, bounds in found.items() if bounds is not None}

    def _measures(self) -> Measures:
        if self.classes is None:
            return RegressionMeasures(self.true, self.predicted)
        true, predicted = (
            np.searchsorted(self.classes, labels) for labels in (self.true, self.predicted)
        )
        return ClassificationMeasures(true, predicted, len(self.classes), self.probabilities)


def predict(model: Any, task: Task, features: Any, true: NDArray[Any]) -> Predicted:
    """Have a fitted ``model`` predict ``features``, once.

    Trees and forests choose the label of the largest probability, so they are called once; logistic
    regression compares scores, which decide where probabilities are equal.
    """
    if task == "regression":
        return Predicted(true, model.predict(features))
    probabilities = model.predict_proba(features)
    classes = model.classes_
    if hasattr(model, "decision_function"):
        return Predicted(true, model.predict(features), probabilities, classes)
    predicted = classes.take(np.argmax(probabilities, axis=1))
    return Predicted(true, predicted, probabilities, classes)
