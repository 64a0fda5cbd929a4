"""What every engine provides, and the engine that calls scikit-learn itself."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import Batch, build_batch
from registry.codecs.data_frame import to_frame
from registry.codecs.predictions import Predictions
from registry.engines.refusals import check_finite, model_failed
from registry.formats.kept_values import VECTORIZERS, input_estimator, kept_values
from registry.formats.used_columns import column_names, model_columns
from registry.signature import Record, Scalar, Signature

_SAMPLE: dict[str, Scalar] = {
    "number": 0.5,
    "integer": 1,
    "boolean": True,
    "string": "a",
    "date": "2026-01-31",
}


Predict = Callable[[Batch], Predictions]


class Predictor(Protocol):
    """A loaded version. Safe to call from several threads."""

    @property
    def signature(self) -> Signature: ...

    @property
    def has_probabilities(self) -> bool: ...

    @property
    def waits(self) -> bool:
        """Whether ``predict`` waits for another process, and computes nothing in this one."""

    @property
    def scored(self) -> Predict | None:
        """As ``predict``, with a score for each row; None unless the model detects outliers."""

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Predictions:
        """Predict each row; ``probabilities``: also the probability of each class.

        Raises PredictionRefused where the model fails on this input or predicts a number that is
        not finite, PredictionTimedOut where it takes too long.
        """


class SklearnPredictor:
    """Calls a fitted scikit-learn estimator in this process.

    Of a detector of outliers, the predictions of a classification are -1 for an outlier and 1, and
    those of a regression its scores: ``decision_function``, negative for an outlier.
    """

    waits = False

    def __init__(self, model: Any, signature: Signature) -> None:
        self.signature = signature
        output = signature.output
        self.has_probabilities = (
            output.classes is not None and output.size is None and hasattr(model, "predict_proba")
        )
        is_detector = _is_detector(model)
        self._has_scores = is_detector and signature.task == "classification"
        self._predict = model.predict
        if is_detector and signature.task == "regression":
            self._predict = model.decision_function
        self._model = model
        self._own_names = column_names(model)
        columns = model_columns(model, signature.names)
        self._kept = dict(zip(signature.names, kept_values(model, columns), strict=True))
        self._of_texts = type(input_estimator(model)).__name__ in VECTORIZERS
        _use_one_thread(model)

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Predictions:
        """As in `Predictor`."""
        by_class = self._model.predict_proba if probabilities else None
        return Predictions(*self._predict_both(batch, by_class))

    @property
    def scored(self) -> Predict | None:
        """As in `Predictor`."""
        return self._with_scores if self._has_scores else None

    def _with_scores(self, batch: Batch) -> Predictions:
        values, found = self._predict_both(batch, self._model.decision_function)
        scores = np.asarray(found, np.float64)
        check_finite(scores, "score")
        return Predictions(values, scores=scores)

    def _predict_both(
        self, batch: Batch, other: Callable[[Any], Any] | None
    ) -> tuple[list[Any], Any]:
        """The predictions, and what ``other`` returns for the same rows."""
        rows = self.rows(batch)
        try:
            values = np.asarray(self._predict(rows))
            found = None if other is None else other(rows)
        except Exception as error:  # a model may raise anything on unusual input
            raise model_failed(error) from error
        values = values.ravel() if self.signature.output.size is None else values
        if self.signature.task == "regression":
            check_finite(values, "prediction")
        return values.tolist(), found

    def rows(self, batch: Batch) -> Any:
        """``batch`` as the model's ``predict`` takes it: a DataFrame where it was fitted on one, a
        list of texts where its first step takes them, else an array (rows x columns, C order)."""
        columns = {
            name: self._as_fitted(name, batch.columns[name]) for name in self.signature.names
        }
        if self._of_texts:
            return columns[self.signature.names[0]]
        if self._own_names is not None:
            frame = to_frame(columns, self.signature)
            # Columns that the model drops are not in the signature.
            return (
                frame
                if frame.shape[1] == len(self._own_names)
                else frame.reindex(columns=self._own_names)
            )
        objects = any(column.dtype == object for column in columns.values())
        rows = np.empty((batch.rows, len(columns)), object if objects else np.float64)
        for position, column in enumerate(columns.values()):
            rows[:, position] = column
        return rows

    def _as_fitted(self, name: str, cells: NDArray[Any]) -> NDArray[Any]:
        """The column with the dtype and the null that the model was fitted with."""
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


def _is_detector(model: Any) -> bool:
    from sklearn.base import is_outlier_detector

    return bool(is_outlier_detector(model))


def _use_one_thread(model: Any) -> None:
    """Passing one row to a thread pool takes five times as long as predicting it."""
    jobs = {name: None for name in model.get_params(deep=True) if name.split("__")[-1] == "n_jobs"}
    if jobs:
        model.set_params(**jobs)
