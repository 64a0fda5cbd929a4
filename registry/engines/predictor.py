"""Answers batches with a scikit-learn model."""

import logging
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import Batch, build_batch
from registry.codecs.data_frame import to_frame
from registry.codecs.predictions import Predictions
from registry.errors import PredictionRefused
from registry.formats.kept_values import input_estimator, kept_values
from registry.signature import Record, Scalar, Signature

logger = logging.getLogger(__name__)

_SAMPLE: dict[str, Scalar] = {"number": 0.5, "integer": 1, "boolean": True, "string": "a"}


class Predictor(Protocol):
    """A loaded version. Safe to call from several threads."""

    @property
    def signature(self) -> Signature: ...

    @property
    def has_probabilities(self) -> bool: ...

    @property
    def waits(self) -> bool:
        """Whether ``predict`` waits for another process, and computes nothing in this one."""

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Predictions:
        """Raises PredictionRefused where the model has no answer for this input, PredictionTimedOut
        where it takes too long."""


class SklearnPredictor:
    """Calls a fitted scikit-learn estimator in this process."""

    waits = False

    def __init__(self, model: Any, signature: Signature) -> None:
        self.signature = signature
        self.has_probabilities = signature.output.classes is not None and hasattr(
            model, "predict_proba"
        )
        self._model = model
        self._by_name = hasattr(input_estimator(model), "feature_names_in_")
        self._kept = dict(
            zip(signature.names, kept_values(model, len(signature.inputs)), strict=True)
        )
        _use_one_thread(model)

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Predictions:
        rows = self.rows(batch)
        try:
            values = np.asarray(self._model.predict(rows))
            shares = self._model.predict_proba(rows) if probabilities else None
        except Exception as error:  # what a model raises on odd input is its own choice
            logger.info("a model refused its input", exc_info=True)
            raise PredictionRefused(
                f"The model has no answer for this input: {type(error).__name__}."
            ) from error
        values = values.ravel()
        if self.signature.task == "regression" and not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise PredictionRefused(f"The model's answer for row {row} is not a finite number.")
        return Predictions(values.tolist(), shares)

    def rows(self, batch: Batch) -> Any:
        """``batch`` as the model is called with it: a frame where it was trained on one, else an
        array in C order."""
        columns = {name: self._known(name, batch.columns[name]) for name in self.signature.names}
        if self._by_name:
            return to_frame(columns, self.signature)
        objects = any(column.dtype == object for column in columns.values())
        rows = np.empty((batch.rows, len(columns)), object if objects else np.float64)
        for position, column in enumerate(columns.values()):
            rows[:, position] = column
        return rows

    def _known(self, name: str, cells: NDArray[Any]) -> NDArray[Any]:
        """The column as the model was trained on it, by what it has kept of it."""
        kept = self._kept[name]
        if kept.objects:
            cells = cells.astype(object)
        if kept.null == "none" and cells.dtype == object:
            cells = cells.copy()
            cells[[cell != cell for cell in cells]] = None  # noqa: PLR0124 - only NaN is not itself
        return cells


def example_batch(signature: Signature, example: Record | None) -> Batch:
    """One row to warm a version with: its input example, or one made from the signature.

    Raises InputRefused where the example does not fit the signature.
    """
    record: Record = (
        {column.name: _SAMPLE[column.type] for column in signature.inputs}
        if example is None
        else example
    )
    return build_batch(
        [[record.get(name)] for name in signature.names],
        signature,
        lambda _, column: f"input_example.{column.name}",
        single=True,
    )


def _use_one_thread(model: Any) -> None:
    """Handing one row to a pool of threads costs five times what the row itself does."""
    jobs = {name: None for name in model.get_params(deep=True) if name.split("__")[-1] == "n_jobs"}
    if jobs:
        model.set_params(**jobs)
