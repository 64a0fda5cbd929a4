"""Predicts with an ONNX file as it was uploaded. For confined processes only.

The graph takes either one tensor of rows x columns, or one tensor for each column. Its first output
is a number or a label for each row, or a list of them; its optional second output is the scores of
the classes, as a tensor or as the list of mappings that ONNX's ZipMap makes. A second output beside
lists of labels, or of one number for each row, is not used.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import Batch
from registry.codecs.predictions import Predictions
from registry.engines.onnx_runtime import cause_of
from registry.engines.predictor import example_batch
from registry.engines.refusals import model_failed
from registry.errors import ArtifactRefused, PredictionRefused
from registry.signature import Record, Signature

NUMPY_TYPES: Mapping[str, type] = {
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int8)": np.int8,
    "tensor(int16)": np.int16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16,
    "tensor(uint32)": np.uint32,
    "tensor(uint64)": np.uint64,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}
"""The types of tensors that columns can become, by onnxruntime's names."""
_FACTORS = (1.0, 0.0, -1.0, 2.0, 10.0)
_SUM_TOLERANCE = 1e-3
"""How far the probabilities of a row, often float32, may be from a sum of one."""


class OnnxInputs:
    """Lays out columns as what ``session`` takes. Raises ArtifactRefused for other types."""

    def __init__(self, session: Any) -> None:
        self.tensors = session.get_inputs()
        for tensor in self.tensors:
            if tensor.type not in NUMPY_TYPES:
                raise ArtifactRefused(
                    f"The ONNX input {tensor.name[:60]!r} is of the type {tensor.type[:60]}: "
                    "expected a tensor of numbers, booleans or strings."
                )

    def feed(self, columns: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The tensors for ``columns``. Raises PredictionRefused for a number that does not fit."""
        if len(self.tensors) == 1:
            (tensor,) = self.tensors
            parts = [_typed(column, tensor.type) for column in columns]
            return {tensor.name: parts[0] if len(tensor.shape) == 1 else np.column_stack(parts)}
        return {
            tensor.name: _typed(column, tensor.type).reshape((-1, 1)[: len(tensor.shape) or 2])
            for tensor, column in zip(self.tensors, columns, strict=True)
        }


def _typed(cells: NDArray[Any], name: str) -> NDArray[Any]:
    type_ = NUMPY_TYPES[name]
    if type_ is np.object_ or type_ is np.bool_:
        return cells.astype(type_)
    if issubclass(type_, np.integer):
        limits = np.iinfo(type_)
        if not ((cells >= float(limits.min)) & (cells < float(limits.max) + 1)).all():
            raise _beyond(type_)
        return cells.astype(type_)
    with np.errstate(over="ignore"):
        made: NDArray[Any] = cells.astype(type_)
    if np.isinf(made).any():
        raise _beyond(type_)
    return made


def _beyond(type_: type) -> PredictionRefused:
    return PredictionRefused(f"The model does not accept numbers beyond {type_.__name__}.")


class UploadedOnnx:
    """A Predictor on an open session.

    ``example``: a row that the graph accepts, if it may refuse one made from the signature.
    ``probe``: rows like it, which showed whether the scores are probabilities.

    Raises ArtifactRefused where the graph does not fit the signature or fails on that row.
    """

    waits = False
    scored = None

    def __init__(self, session: Any, signature: Signature, example: Record | None) -> None:
        self.signature = signature
        self._session = session
        self._inputs = OnnxInputs(session)
        self._outputs = [output.name for output in session.get_outputs()]
        self._classes = signature.output.classes or ()
        if len(self._inputs.tensors) not in {1, len(signature.inputs)}:
            raise ArtifactRefused("The ONNX graph has other inputs than the signature.")
        self.has_probabilities = False
        first = example_batch(signature, example)
        try:
            self.probe, scores = self._try_rows(first)
        except PredictionRefused as error:
            raise failed_on(example, error.__cause__ or error) from error
        self.has_probabilities = scores is not None and bool(_are_probabilities(scores).all())

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Predictions:
        """As in `Predictor`."""
        found = self._run(batch, self._outputs[: 1 + probabilities])
        values = self._values(found[0], batch.rows)
        if not probabilities:
            return Predictions(values)
        scores = self._scores(found[1], batch.rows)
        if not (sound := _are_probabilities(scores)).all():
            row = int(np.flatnonzero(~sound)[0])
            raise PredictionRefused(f"The model's scores for row {row} are not probabilities.")
        return Predictions(values, scores)

    def _try_rows(self, example: Batch) -> tuple[Batch, NDArray[np.float64] | None]:
        """The rows that the graph accepted, and their scores; only the example has to succeed."""
        for batch in (_variations(example), example):
            try:
                found = self._run(batch, self._outputs)
            except PredictionRefused:
                if batch is example:
                    raise
                continue
            self._values(found[0], batch.rows)
            scored = len(found) > 1 and self._has_class_scores(found[1], batch.rows)
            return batch, self._scores(found[1], batch.rows) if scored else None
        raise AssertionError("the example is the last")

    def _has_class_scores(self, second: Any, rows: int) -> bool:
        """False for lists of labels, and where ``second`` is a number for each row."""
        if not self._classes or self.signature.output.size is not None:
            return False
        one_each = isinstance(second, np.ndarray) and second.shape in {(rows,), (rows, 1)}
        return len(self._classes) == 1 or not one_each

    def _run(self, batch: Batch, outputs: list[str]) -> list[Any]:
        columns = [batch.columns[name] for name in self.signature.names]
        try:
            found: list[Any] = self._session.run(outputs, self._inputs.feed(columns))
        except PredictionRefused:
            raise
        except Exception as error:  # onnxruntime's errors have no base class of their own
            raise model_failed(error) from error
        return found

    def _values(self, found: Any, rows: int) -> list[Any]:
        size = self.signature.output.size
        values = found if isinstance(found, np.ndarray) else np.empty(0)
        values = values.ravel() if size is None else values
        if len(values) != rows or (size is not None and values.shape != (rows, size)):
            raise PredictionRefused(
                f"The model gives {values.size} values for {rows} rows of {size or 1}."
            )
        predicted: list[Any] = values.tolist()
        return predicted

    def _scores(self, found: Any, rows: int) -> NDArray[np.float64]:
        """Rows x classes."""
        try:
            if isinstance(found, list):
                found = [[row[label] for label in self._classes] for row in found]
            scores = np.asarray(found, np.float64)
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise PredictionRefused("The model's scores are not those of its classes.") from error
        if scores.shape != (rows, len(self._classes)):
            raise PredictionRefused(
                f"The model's second output has the shape {scores.shape}: expected {rows} x "
                f"{len(self._classes)} scores."
            )
        return scores


def failed_on(example: Record | None, error: BaseException) -> ArtifactRefused:
    """The refusal of a graph that does not predict ``example``, or a row made without one."""
    if example is not None:
        return ArtifactRefused(f"The ONNX graph fails on its input example: {cause_of(error)}.")
    return ArtifactRefused(
        f"The ONNX graph fails on a row made from its signature: {cause_of(error)}. If it does not "
        "predict every row of these types, give one that it predicts as input_example."
    )


def _are_probabilities(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """For each row whether its scores are between 0 and 1 and add up to 1."""
    inside = ((scores >= 0) & (scores <= 1 + _SUM_TOLERANCE)).all(axis=1)
    sound: NDArray[np.bool_] = inside & (np.abs(scores.sum(axis=1) - 1) <= _SUM_TOLERANCE)
    return sound


def _variations(example: Batch) -> Batch:
    """The row of ``example``, and rows with its numbers multiplied."""
    columns: dict[str, NDArray[Any]] = {}
    for name, cells in example.columns.items():
        repeated = np.repeat(cells, len(_FACTORS))
        columns[name] = repeated if cells.dtype == object else repeated * np.array(_FACTORS)
    return Batch(columns, len(_FACTORS))
