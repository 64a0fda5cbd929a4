"""From the bytes of an uploaded ONNX file to what it says of itself. Intake's child only.

The file is checked as data, then opened and run as the process that serves it will.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import Batch
from registry.codecs.predictions import Predictions
from registry.engines.onnx_runtime import open_session
from registry.engines.predictor import example_batch
from registry.engines.uploaded_onnx import OnnxInputs, UploadedOnnx
from registry.errors import ArtifactRefused, InputRefused, MetadataRefused, PredictionRefused
from registry.intake.onnx_file import Message, opset_of, parse
from registry.intake.onnx_labels import GraphLabels
from registry.intake.onnx_signature import read_columns, read_output
from registry.signature import Column, Label, Output, Record, Signature

_SAME = 1e-3
"""How far a row's answers may differ between a batch and the row alone, of the largest of them.
Kernels sum in another order there; an answer that depends on other rows differs by far more."""
_CLEAR = 1e-6
"""By how much a probability leads where the label has to agree with it."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An ONNX file that may become a version; ``predictor`` answers as its process will."""

    predictor: UploadedOnnx
    opset: int


def read_upload(content: bytes, declared: Mapping[str, Any]) -> Uploaded:
    """Check the file ``content`` and read its signature.

    ``declared`` may hold a ``signature``, which must agree with the graph, and an
    ``input_example``.

    Raises ArtifactRefused, MetadataRefused.
    """
    proto = parse(content)
    said, example = declared.get("signature"), declared.get("input_example")
    claimed = None if said is None else Signature.from_json(said)
    session = open_session(content, keep_memory=False)
    columns = read_columns(OnnxInputs(session).tensors, claimed)
    labels = _labels(proto, session, columns, example)
    signature = Signature(columns, read_output(session.get_outputs(), labels, claimed))
    predictor = UploadedOnnx(session, signature, example)
    found = _answers(predictor, predictor.probe)
    _check_rows_alone(predictor, found)
    if claimed is None or claimed.output.classes is None:
        _check_order(found, signature)
    return Uploaded(predictor, opset_of(proto))


def _labels(
    proto: Message, session: Any, columns: tuple[Column, ...], example: Record | None
) -> tuple[Label, ...] | None:
    """What the graph can answer, in the order of its second output where it has one."""
    unanswered = Signature(columns, Output("prediction", "number"))
    batch = _example(unanswered, example)
    feed = OnnxInputs(session).feed([batch.columns[name] for name in unanswered.names])
    try:
        found = session.run(None, feed)
    except Exception as error:  # onnxruntime's errors have no base class of their own
        what = "a row made from its signature" if example is None else "its input example"
        raise ArtifactRefused(f"The ONNX graph does not answer {what}: {error}"[:500]) from error
    scores = found[1] if len(found) == 2 else None
    width = scores.shape[1] if isinstance(scores, np.ndarray) and scores.ndim == 2 else None
    graph = GraphLabels(proto.graph, width)
    of_outputs = [graph.of(output.name) for output in proto.graph.output]
    return next((labels for labels in of_outputs if labels is not None), None)


def _example(signature: Signature, example: Record | None) -> Batch:
    try:
        return example_batch(signature, example)
    except InputRefused as error:
        raise MetadataRefused("The input example does not fit the signature.", error.faults) from (
            error
        )


def _answers(predictor: UploadedOnnx, batch: Batch) -> Predictions:
    try:
        return predictor.predict(batch, probabilities=predictor.has_probabilities)
    except PredictionRefused as error:
        raise ArtifactRefused(f"The ONNX graph has no answer: {error.detail}") from error


def _check_rows_alone(predictor: UploadedOnnx, together: Predictions) -> None:
    """Raises ArtifactRefused where a row is answered otherwise alone than among others."""
    for row, value in enumerate(together.values):
        columns = {name: cells[row : row + 1] for name, cells in predictor.probe.columns.items()}
        alone = _answers(predictor, Batch(columns, 1))
        if predictor.signature.output.classes is None:
            same = _close(np.array(alone.values), np.array([value]))
        elif together.probabilities is not None and alone.probabilities is not None:
            same = _close(alone.probabilities[0], together.probabilities[row])
        else:
            same = alone.values[0] == value
        if not same:
            raise ArtifactRefused(
                "The ONNX graph answers a row otherwise alone than together with others: answers "
                "that depend on other rows, or on chance, are not served."
            )


def _close(left: NDArray[Any], right: NDArray[Any]) -> bool:
    largest = np.nanmax(np.abs(right), initial=0.0)
    return bool(np.allclose(left, right, rtol=0, atol=_SAME * largest or _SAME, equal_nan=True))


def _check_order(found: Predictions, signature: Signature) -> None:
    """Raises ArtifactRefused unless the most probable class is answered where one leads clearly."""
    classes, shares = signature.output.classes or (), found.probabilities
    if shares is None or shares.shape[1] < 2:
        return
    order = np.sort(shares, axis=1)
    best = shares.argmax(axis=1)
    clear = np.flatnonzero(order[:, -1] - order[:, -2] > _CLEAR)
    if any(classes[best[row]] != found.values[row] for row in clear):
        raise ArtifactRefused(
            "The ONNX graph's labels and probabilities do not agree on the order of the classes: "
            "give it as signature.output.classes."
        )
