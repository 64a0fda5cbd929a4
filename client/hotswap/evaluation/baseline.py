"""The metrics of a model that uses no feature, to compare a model with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier, DummyRegressor

from hotswap.evaluation.predicted import predict
from hotswap.metrics.names import Task


def baseline(task: Task, train: NDArray[Any], true: NDArray[Any]) -> dict[str, float]:
    """The metrics, on the rows with the targets ``true``, of predicting the mean of the targets
    ``train``, or the share of each class."""
    dummy = DummyRegressor() if task == "regression" else DummyClassifier(strategy="prior")
    # A dummy uses no feature, so any column of the right length is enough.
    dummy.fit(np.zeros((len(train), 1)), train)
    return predict(dummy, task, np.zeros((len(true), 1)), true).metrics()
