"""A model's predictions for held-out rows, their metrics, and the metrics' intervals.

Higher is better for r2, accuracy, f1, precision, recall and roc_auc; lower for all others. Errors
are in the target's own unit.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hotswap.metrics.bootstrap import Measures, drawn, figures_of, interval
from hotswap.metrics.classification import ClassificationMeasures
from hotswap.metrics.names import METRICS, Task
from hotswap.metrics.regression import RegressionMeasures

LEVEL = 95.0
_BY_LARGEST = (
    *("DecisionTreeClassifier", "ExtraTreeClassifier"),
    *("RandomForestClassifier", "ExtraTreesClassifier"),
)
"""Classifiers of scikit-learn that predict the label of the largest probability."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """The true values of some rows and a model's predictions for them.

    ``classes`` are those of a classification, in the model's order, else None. ``probabilities``
    are rows x ``classes``; None for a regression and for a classifier that has none.
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
        it is undefined where a class has no row. log_loss and roc_auc are undefined where a true
        label is not among the classes.
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
        true, predicted = (_codes(self.classes, each) for each in (self.true, self.predicted))
        has_losses = true.max() < len(self.classes)
        probabilities = self.probabilities if has_losses else None
        return ClassificationMeasures(true, predicted, len(self.classes), probabilities)


def predict(model: Any, task: Task, features: Any, true: NDArray[Any]) -> Predicted:
    """Have a fitted ``model`` predict ``features``.

    Trees and forests are called once. For others the label does not always follow from the
    probabilities: logistic regression compares scores, which decide where probabilities are equal.
    """
    if task == "regression":
        return Predicted(true, model.predict(features))
    classes = np.asarray(model.classes_)
    if not hasattr(model, "predict_proba"):
        return Predicted(true, model.predict(features), None, classes)
    probabilities = model.predict_proba(features)
    if type(_last(model)).__name__ in _BY_LARGEST:
        predicted = classes.take(np.argmax(probabilities, axis=1))
    else:
        predicted = model.predict(features)
    return Predicted(true, predicted, probabilities, classes)


def _last(model: Any) -> Any:
    while hasattr(model, "steps"):
        model = model.steps[-1][1]
    return model


def _codes(classes: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.intp]:
    """The position of each label in ``classes``; other labels get the numbers that follow."""
    order = np.argsort(classes, kind="stable")
    places = order.take(np.searchsorted(classes, labels, sorter=order), mode="clip")
    known = classes[places] == labels
    if not known.all():
        _, others = np.unique(labels[~known], return_inverse=True)
        places[~known] = len(classes) + others
    return places
