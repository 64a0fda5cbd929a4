"""Runs an uploaded graph for the first time, after everything about it has been checked.

Once with every tensor shown, to make sure that each has the size that was computed for it; and
once on the same rows as the file that was uploaded, to make sure that both say the same.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from registry.errors import ArtifactRefused, RegistryError
from registry.intake.onnx_upload.graph import Followed
from registry.intake.onnx_upload.layout import Given, Heads, Writer
from registry.intake.parity import Parity, compare_labels, compare_values
from registry.intake.samples import sample
from registry.serving.codecs.batch import Batch
from registry.serving.onnx_predictor import OnnxPredictor
from registry.serving.onnx_program import ROWS
from registry.serving.onnx_runtime import onnxruntime
from registry.serving.predictor import Answers
from registry.signature import Signature

CHECKED_ROWS = 512
_SUM_TOLERANCE = 1e-3
_CLEAR = 1e-6
"""By how much a probability leads where the label has to agree with it."""

_ARRAYS: dict[int, type] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.DOUBLE: np.float64,
    TensorProto.INT64: np.int64,
    TensorProto.BOOL: np.bool_,
    TensorProto.STRING: object,
}


def check_sizes(compiled: bytes, width: int, writer: Writer, found: Followed) -> None:
    """Every tensor has the size for one row and for three that was computed for it."""
    proto = onnx.ModelProto.FromString(compiled)
    made = {name for node in proto.graph.node for name in node.output}
    expected = {
        writer.names[name]: tensor
        for name, tensor in found.tensors.items()
        if writer.names.get(name) in made
    }
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in expected)
    session = _session(proto.SerializeToString())
    for rows in (1, 3):
        answers = _answers(session, list(expected), {ROWS: np.zeros((rows, width))})
        for name, array in answers.items():
            tensor = expected[name]
            if np.size(array) != tensor.cells * (rows if tensor.rows else 1):
                raise ArtifactRefused(
                    "The ONNX graph makes tensors of other sizes than its rows ask for."
                )


def _session(content: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise ArtifactRefused(
            f"ONNX Runtime does not take the file: {type(error).__name__}: {str(error)[:300]}"
        ) from error


def _answers(
    session: Any, outputs: list[str] | None, feed: dict[str, NDArray[Any]]
) -> dict[str, Any]:
    names = outputs or [output.name for output in session.get_outputs()]
    try:
        return dict(zip(names, session.run(names, feed), strict=True))
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise ArtifactRefused(
            f"The ONNX graph does not answer: {type(error).__name__}: {str(error)[:300]}"
        ) from error


class _Known:
    """Tells ``sample`` which texts the file knows, as a fitted encoder would."""

    def __init__(self, signature: Signature, texts: list[str]) -> None:
        self.categories_ = [texts if column.type == "string" else [] for column in signature.inputs]


def sample_rows(signature: Signature, texts: list[str]) -> Batch:
    """Rows that fit ``signature``, with some of the ``texts`` that the file knows."""
    return sample(_Known(signature, texts[:1000]), signature, None, CHECKED_ROWS)


@dataclass(frozen=True, slots=True)
class Own:
    """What the uploaded file itself answers: a value or label for each row, and probabilities."""

    values: NDArray[Any]
    probabilities: NDArray[np.float64] | None = None


def run_own(content: bytes, given: Given, batch: Batch, signature: Signature, heads: Heads) -> Own:
    """The answers of the file ``content`` to ``batch``. Raises ArtifactRefused."""
    columns = [batch.columns[name] for name in signature.names]
    types = [_ARRAYS[kind] for kind in given.types]
    feed: dict[str, NDArray[Any]]
    if given.together:
        feed = {given.names[0]: np.column_stack(columns).astype(types[0])}
    else:
        feed = {
            name: column.astype(type_).reshape(-1, 1)
            for name, type_, column in zip(given.names, types, columns, strict=True)
        }
    answers = list(_answers(_session(content), None, feed).values())
    values = np.asarray(answers[0]).ravel()
    if heads.probabilities is None:
        return Own(values)
    if isinstance(answers[1], list):  # what a ZipMap makes: a dictionary for each row
        return Own(
            values, np.array([[row[label] for label in heads.classes or ()] for row in answers[1]])
        )
    return Own(values, np.asarray(answers[1], dtype=np.float64))


def are_probabilities(shares: NDArray[np.float64]) -> bool:
    """Whether every row is made of shares of one."""
    inside = (shares >= 0).all() and (shares <= 1 + _SUM_TOLERANCE).all()
    return bool(inside and (np.abs(shares.sum(axis=1) - 1) <= _SUM_TOLERANCE).all())


def check_order(own: Own, signature: Signature) -> None:
    """Raises ArtifactRefused unless the most probable class is answered where one leads clearly."""
    classes, shares = signature.output.classes or (), own.probabilities
    if shares is None or shares.shape[1] < 2:
        return
    order = np.sort(shares, axis=1)
    best = shares.argmax(axis=1)
    said = own.values.tolist()
    clear = np.flatnonzero(order[:, -1] - order[:, -2] > _CLEAR)
    if any(classes[best[row]] != said[row] for row in clear):
        raise ArtifactRefused(
            "The ONNX graph's labels and probabilities do not agree on the order of the classes: "
            "give it as signature.output.classes."
        )


def compare(compiled: bytes, signature: Signature, batch: Batch, own: Own) -> Parity:
    """How far what serves is off the uploaded file's ``own`` answers.

    Raises ArtifactRefused where that is too far.
    """
    predictor = OnnxPredictor(compiled, signature)
    values = own.values
    if signature.task == "regression":
        # Rows that the graph has no number for are refused when they are asked.
        finite = np.isfinite(values)
        if not finite.any():
            raise ArtifactRefused("The ONNX graph answers no row with a finite number.")
        columns = {name: column[finite] for name, column in batch.columns.items()}
        batch, values = Batch(columns, int(finite.sum())), values[finite].astype(np.float64)
    expected = Answers(values.tolist(), own.probabilities)
    try:
        answers = predictor.predict(batch, probabilities=own.probabilities is not None)
    except RegistryError as error:
        raise ArtifactRefused(f"The ONNX graph has no answer: {error.detail}") from error
    ways = {"regression": compare_values, "classification": compare_labels}
    parity = ways[signature.task](expected, answers)
    if parity.fault is not None:
        raise ArtifactRefused(f"The ONNX graph answers otherwise written anew: {parity.fault}.")
    return parity
