"""The messages between a worker and the model process of one of its versions.

A request is three messages: the number of rows and what is required beside their values; the
columns of numbers, one after the other, as doubles; the columns of text, as MessagePack, with nil
for null. A reply is the kind of its values, the values, and the probabilities or scores if they
were required; or a refusal. Labels are sent as their indices in the signature's classes. Nothing is
pickled, and replies are untrusted: they are validated completely.
"""

from collections.abc import Callable
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import Batch
from registry.codecs.predictions import Predictions
from registry.engines.refusals import check_finite
from registry.errors import PredictionRefused, printable
from registry.formats.reading import Format
from registry.signature import Record, Signature

MAX_HEAD = 4096
MAX_DETAIL = 500
_BYTES_EACH = 8

Receive = Callable[[int], bytes | bytearray]
"""Receives the next message, of at most the given length in bytes; 0: of any length."""


class Load(msgspec.Struct, frozen=True):
    """The first message to the process, which gets the artifact as an open file."""

    format: Format
    signature: dict[str, Any]
    input_example: Record | None = None


class Loaded(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="loaded"):
    """The model is loaded."""

    has_probabilities: bool
    has_scores: bool = False


class Refused(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="refused"):
    """The process cannot load the artifact, or the model fails on the rows."""

    detail: str


_Kind = Literal["floats", "integers", "labels"]


class Required(msgspec.Struct, frozen=True):
    """For how many rows values are required, and what beside them."""

    rows: int
    probabilities: bool = False
    scores: bool = False


class _Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="reply"):
    values: _Kind


_TYPES: dict[_Kind, type] = {"floats": np.float64, "integers": np.int64, "labels": np.int64}


def write_request(batch: Batch, signature: Signature, required: Required) -> list[bytes]:
    """The messages that request predictions for ``batch``.

    Raises PredictionRefused for a text with a lone surrogate, which UTF-8 cannot encode.
    """
    numbers, texts = [], []
    for column in signature.inputs:
        cells = batch.columns[column.name]
        if column.type == "string":
            texts.append([cell if isinstance(cell, str) else None for cell in cells])
        else:
            numbers.append(np.ascontiguousarray(cells, np.float64).data)
    try:
        packed = msgspec.msgpack.encode(texts)
    except UnicodeEncodeError as error:
        raise PredictionRefused("The model does not accept a lone surrogate in a text.") from error
    return [msgspec.json.encode(required), b"".join(numbers), packed]


def read_request(head: bytes, receive: Receive, signature: Signature) -> tuple[Batch, Required]:
    """The batch of a request, and what is required for it."""
    required = msgspec.json.decode(head, type=Required)
    numbers = iter(np.frombuffer(receive(0)).reshape(-1, required.rows).copy())
    texts = iter(msgspec.msgpack.decode(receive(0), type=list[list[str | None]]))
    columns = {
        column.name: _texts(next(texts)) if column.type == "string" else next(numbers)
        for column in signature.inputs
    }
    return Batch(columns, required.rows), required


def write_reply(predictions: Predictions, signature: Signature) -> list[bytes]:
    """The messages with ``predictions``.

    Raises PredictionRefused for a label that is not in the signature's classes.
    """
    if signature.output.classes is None:
        values = np.asarray(predictions.values)
        kind: _Kind = "integers" if values.dtype.kind in "iu" else "floats"
    else:
        kind = "labels"
        indices = {label: index for index, label in enumerate(signature.output.classes)}
        labels = np.asarray(predictions.values, dtype=object)
        try:
            values = np.array([indices[label] for label in labels.ravel().tolist()])
        except (KeyError, TypeError) as error:
            raise PredictionRefused("The model predicted a label not in its classes.") from error
    beside = (predictions.probabilities, predictions.scores)
    return [
        msgspec.json.encode(_Reply(kind)),
        values.astype(_TYPES[kind]).tobytes(),
        *(np.ascontiguousarray(each, np.float64).tobytes() for each in beside if each is not None),
    ]


def read_reply(receive: Receive, signature: Signature, required: Required) -> Predictions:
    """The predictions that were ``required``.

    Raises PredictionRefused where the reply is a refusal, ValueError where it is malformed.
    """
    head = msgspec.json.decode(receive(MAX_HEAD), type=_Reply | Refused)
    if isinstance(head, Refused):
        raise PredictionRefused(printable(head.detail, MAX_DETAIL))
    classes, size, rows = signature.output.classes, signature.output.size, required.rows
    if (head.values == "labels") != (classes is not None):
        raise ValueError("the values are not those of the signature's task")
    array = _array(receive, _TYPES[head.values], rows * (size or 1))
    array = array if size is None else array.reshape(rows, size)
    if classes is None:
        check_finite(array, "prediction")
        return Predictions(array.tolist())
    if ((array < 0) | (array >= len(classes))).any():
        raise ValueError("a label is not in the signature's classes")
    if size is not None:
        return Predictions([[classes[index] for index in row] for row in array.tolist()])
    labels = [classes[index] for index in array.tolist()]
    by_class = scores = None
    if required.probabilities:
        by_class = _array(receive, np.float64, rows * len(classes)).reshape(rows, len(classes))
        check_finite(by_class, "probability")
    if required.scores:
        scores = _array(receive, np.float64, rows)
        check_finite(scores, "score")
    return Predictions(labels, by_class, scores)


def _array(receive: Receive, type_: type, count: int) -> NDArray[Any]:
    message = receive(count * _BYTES_EACH)
    if len(message) != count * _BYTES_EACH:
        raise ValueError("the number of values does not match the number of rows")
    return np.frombuffer(message, type_)


def _texts(cells: list[str | None]) -> NDArray[np.object_]:
    column = np.empty(len(cells), dtype=object)
    column[:] = [np.nan if cell is None else cell for cell in cells]
    return column
