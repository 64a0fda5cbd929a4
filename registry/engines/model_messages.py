"""What a worker and the process that answers for one of its versions say to each other.

A question is three messages: how many rows, and whether probabilities are asked; the columns of
numbers, one after the other, as doubles; the columns of text, as MessagePack, with nil for null.
An answer is what kind of values it has, the values, and the probabilities where they were asked;
or why there is none. Labels travel as their places among the signature's classes. Nothing is
pickled, and answers are read as if an enemy had written them.
"""

from collections.abc import Callable
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import Batch
from registry.codecs.predictions import Predictions
from registry.errors import PredictionRefused, printable
from registry.formats.reading import Format
from registry.signature import Record, Signature

MAX_HEAD = 4096
MAX_DETAIL = 500
_BYTES_EACH = 8

Receive = Callable[[int], bytes | bytearray]
"""Gives the next message, which may be no longer than it is told."""


class Load(msgspec.Struct, frozen=True):
    """The first message to the process, whose artifact is an open file."""

    format: Format
    signature: dict[str, Any]
    input_example: Record | None = None


class Loaded(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="loaded"):
    """The process can answer."""

    has_probabilities: bool


class Refused(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="refused"):
    """The process cannot load the artifact, or answer the question."""

    detail: str


class _Question(msgspec.Struct, frozen=True):
    rows: int
    probabilities: bool


class _Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="answer"):
    values: Literal["floats", "integers", "labels"]


_TYPES: dict[str, type] = {"floats": np.float64, "integers": np.int64, "labels": np.int64}


def write_request(batch: Batch, signature: Signature, *, probabilities: bool) -> list[bytes]:
    """The messages that ask for answers to ``batch``.

    Raises PredictionRefused for a text that is no Unicode.
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
        raise PredictionRefused("The model has no answer for half a surrogate pair.") from error
    head = msgspec.json.encode(_Question(batch.rows, probabilities))
    return [head, b"".join(numbers), packed]


def read_request(head: bytes, receive: Receive, signature: Signature) -> tuple[Batch, bool]:
    """The batch that is asked about, and whether probabilities are."""
    asked = msgspec.json.decode(head, type=_Question)
    numbers = iter(np.frombuffer(receive(0)).reshape(-1, asked.rows).copy())
    texts = iter(msgspec.msgpack.decode(receive(0), type=list[list[str | None]]))
    columns = {
        column.name: _texts(next(texts)) if column.type == "string" else next(numbers)
        for column in signature.inputs
    }
    return Batch(columns, asked.rows), asked.probabilities


def write_reply(answers: Predictions, signature: Signature) -> list[bytes]:
    """The messages that give ``answers``. Raises PredictionRefused for a label that is no class."""
    if signature.output.classes is None:
        values = np.asarray(answers.values)
        kind = "integers" if values.dtype.kind in "iu" else "floats"
    else:
        kind = "labels"
        places = {label: place for place, label in enumerate(signature.output.classes)}
        try:
            values = np.array([places[label] for label in answers.values])
        except (KeyError, TypeError) as error:
            raise PredictionRefused("The model gave a label that is not of its classes.") from error
    messages = [
        msgspec.json.encode({"type": "answer", "values": kind}),
        values.astype(_TYPES[kind]).tobytes(),
    ]
    if answers.probabilities is not None:
        messages.append(np.ascontiguousarray(answers.probabilities, np.float64).tobytes())
    return messages


def read_reply(receive: Receive, signature: Signature, rows: int, *, shares: bool) -> Predictions:
    """The answers to ``rows`` rows; ``shares``: with probabilities.

    Raises PredictionRefused where the model has none, ValueError where the messages are not sound.
    """
    head = msgspec.json.decode(receive(MAX_HEAD), type=_Answer | Refused)
    if isinstance(head, Refused):
        raise PredictionRefused(printable(head.detail, MAX_DETAIL))
    classes = signature.output.classes
    if (head.values == "labels") != (classes is not None):
        raise ValueError("the values are not those of the signature's task")
    array = _array(receive, _TYPES[head.values], rows)
    if classes is None:
        _check_finite(array, "answer")
        return Predictions(array.tolist())
    if ((array < 0) | (array >= len(classes))).any():
        raise ValueError("a label is none of the signature's classes")
    labels = [classes[place] for place in array.tolist()]
    if not shares:
        return Predictions(labels)
    found = _array(receive, np.float64, rows * len(classes)).reshape(rows, len(classes))
    _check_finite(found, "probabilities")
    return Predictions(labels, found)


def _array(receive: Receive, type_: type, count: int) -> NDArray[Any]:
    message = receive(count * _BYTES_EACH)
    if len(message) != count * _BYTES_EACH:
        raise ValueError("the values are not as many as the rows")
    return np.frombuffer(message, type_)


def _check_finite(values: NDArray[Any], what: str) -> None:
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        is_no = "is not a finite number" if what == "answer" else "are not finite numbers"
        raise PredictionRefused(f"The model's {what} for row {row} {is_no}.")


def _texts(cells: list[str | None]) -> NDArray[np.object_]:
    column = np.empty(len(cells), dtype=object)
    column[:] = [np.nan if cell is None else cell for cell in cells]
    return column
