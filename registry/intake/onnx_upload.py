"""Reads and checks an uploaded ONNX file. Runs in the intake's child only.

The file is checked as data, then opened and run as by the process that will serve it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import Batch
from registry.codecs.predictions import Predictions
from registry.engines.onnx_runtime import open_session
from registry.engines.uploaded_onnx import OnnxInputs, UploadedOnnx, failed_on
from registry.errors import ArtifactRefused, PredictionRefused
from registry.intake.onnx_file import Message, opset_of, parse
from registry.intake.onnx_labels import GraphLabels
from registry.intake.onnx_signature import Returned, read_columns, read_output
from registry.intake.samples import first_row
from registry.signature import Column, Output, Record, Signature

_SAME = 1e-3
"""How far the result for a row may differ between a batch and the row alone, as a share of the
largest result. Kernels sum in another order there; a result that depends on other rows differs by
far more."""
_CLEAR = 1e-6
"""The lead of a probability from which on the label has to agree with it."""
_WAYS_OUT = {
    "(ZipMap)": "ZipMap takes float32 only: convert the model with float32 inputs, or with "
    "options={'zipmap': False}.",
    "Failed to construct locale": "Install that locale on the server, or convert the model with a "
    "locale that it has, such as C.UTF-8 (option 'locale' of skl2onnx's vectorizers).",
    "IR version": "Set the ir_version of the file to that, or write it with an older release of "
    "onnx.",
    "official released onnx opset": "Convert the model with a lower target_opset.",
    "No Op registered": "Convert the model with another target_opset, or without that operator.",
    "Could not find an implementation": "ONNX Runtime lacks this operator for these types: convert "
    "the model with float32 inputs.",
    "Type Error": "Convert the model with inputs of a type that the operator takes, often float32.",
}
"""What to do, by a part of ONNX Runtime's message. The first that it contains counts."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An ONNX file that may become a version; ``predictor`` predicts as its process will."""

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
    declared_signature = None if said is None else Signature.from_json(said)
    session = _open(content)
    columns = read_columns(OnnxInputs(session).tensors, declared_signature)
    returned = _returned(proto, session, columns, example)
    signature = Signature(columns, read_output(session.get_outputs(), returned, declared_signature))
    predictor = UploadedOnnx(session, signature, example)
    found = _answers(predictor, predictor.probe)
    _check_rows_alone(predictor, found)
    if declared_signature is None or declared_signature.output.classes is None:
        _check_order(found, signature)
    return Uploaded(predictor, opset_of(proto))


def _open(content: bytes) -> Any:
    try:
        return open_session(content, keep_memory=False)
    except ArtifactRefused as error:
        ways_out = (way_out for cause, way_out in _WAYS_OUT.items() if cause in error.detail)
        way_out = next(ways_out, None)
        if way_out is None:
            raise
        raise ArtifactRefused(f"{error.detail}. {way_out}") from error


def _returned(
    proto: Message, session: Any, columns: tuple[Column, ...], example: Record | None
) -> Returned:
    """What the graph returns for a row.

    Its labels are those of its first output, or those that its second output names.
    """
    unanswered = Signature(columns, Output("prediction", "number"))
    batch = first_row(unanswered, example)
    feed = OnnxInputs(session).feed([batch.columns[name] for name in unanswered.names])
    try:
        found = session.run(None, feed)
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise failed_on(example, error) from error
    scores = found[1] if len(found) == 2 else None
    graphs = [GraphLabels(proto.graph, _width(scores)) for _ in proto.graph.output]
    read = [
        (graph.of(output.name), graph)
        for graph, output in zip(graphs, proto.graph.output, strict=True)
    ]
    labels, graph = next((each for each in read if each[0] is not None), read[0])
    # The shape that a file states is not always the one of what it returns.
    size = _width(found[0])
    return Returned(labels, graph.computed, graph.unknown_node(), None if size == 1 else size)


def _width(output: Any) -> int | None:
    """How many columns ``output`` has; None where it is not rows x columns."""
    return output.shape[1] if isinstance(output, np.ndarray) and output.ndim == 2 else None


def _answers(predictor: UploadedOnnx, batch: Batch) -> Predictions:
    try:
        return predictor.predict(batch, probabilities=predictor.has_probabilities)
    except PredictionRefused as error:
        raise ArtifactRefused(f"The ONNX graph returns no valid result: {error.detail}") from error


def _check_rows_alone(predictor: UploadedOnnx, together: Predictions) -> None:
    """Raises ArtifactRefused where the result for a row depends on the other rows."""
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
                "The ONNX graph returns another result for a row alone than for the same row in a "
                "batch: results that depend on other rows, or on chance, are not supported."
            )


def _close(left: NDArray[Any], right: NDArray[Any]) -> bool:
    largest = np.nanmax(np.abs(right), initial=0.0)
    return bool(np.allclose(left, right, rtol=0, atol=_SAME * largest or _SAME, equal_nan=True))


def _check_order(found: Predictions, signature: Signature) -> None:
    """Raises ArtifactRefused where the label is not the clearly most probable class."""
    classes, shares = signature.output.classes or (), found.probabilities
    if shares is None or shares.shape[1] < 2:
        return
    order = np.sort(shares, axis=1)
    best = shares.argmax(axis=1)
    clear = np.flatnonzero(order[:, -1] - order[:, -2] > _CLEAR)
    if any(classes[best[row]] != found.values[row] for row in clear):
        raise ArtifactRefused(
            "The ONNX graph's labels and probabilities do not agree on the order of the classes: "
            "specify it in signature.output.classes."
        )
