"""Writes predictions as CSV (RFC 4180, in UTF-8), alone or beside the rows that they are for.

Values are written unchanged, so that programs read what JSON would have given them. Spreadsheets
would calculate a text that begins with ``=``, ``+``, ``-`` or ``@`` (CWE-1236): whoever writes for
them passes ``text``, which changes the predicted labels.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, count, islice
from math import inf
from typing import Any, NamedTuple

import msgspec

from registry.codecs.batch import Batch, array_to_cell
from registry.codecs.predictions import Predictions
from registry.codecs.requests import CSV, media_type_of
from registry.codecs.text_body import cell_text, csv_rows
from registry.errors import InputRefused
from registry.signature import Signature, label_text

PREDICTION = "prediction"
_AT_ONCE = 1000
"""Rows that are written in one piece. Other threads run between the pieces."""


class Rows(NamedTuple):
    """The names of columns, and rows of cells as text."""

    header: Sequence[str]
    rows: Iterable[Sequence[str]]


def sent_rows(content_type: str, body: bytes, batch: Batch, signature: Signature) -> Rows:
    """The rows of ``body``, which was decoded to ``batch``: all columns of CSV as they were sent,
    those of the signature otherwise."""
    if media_type_of(content_type) == CSV:
        lines = csv_rows(io.BytesIO(body))
        return Rows(next(lines), lines)
    return Rows(signature.names, _rows_of(batch, signature))


def write_csv(
    predictions: Predictions,
    signature: Signature,
    inputs: Rows | None = None,
    *,
    text: Callable[[str], str] = str,
    most: float = inf,
) -> Iterator[bytes]:
    """The pieces of a CSV file: ``inputs`` if given, ``prediction``, and where there are any
    ``probability_<class>`` for each class or ``score``.

    A list of predictions is JSON, ``true`` and ``false`` are as in JSON. An answer whose name is
    taken by a column of ``inputs`` is called ``prediction_2``.

    ``most`` is the most bytes of the file: a table that has a long text once can have it in every
    row. Raises InputRefused.
    """
    names = [PREDICTION]
    if predictions.probabilities is not None:
        names += [f"probability_{label_text(label)}" for label in signature.output.classes or ()]
    if predictions.scores is not None:
        names.append("score")
    header = list(inputs.header) if inputs is not None else []
    for name in names:
        header.append(free_name(name, header))
    size = len(first := _lines([header]))
    yield first
    before = iter(inputs.rows) if inputs is not None else None
    for start in range(0, len(predictions.values), _AT_ONCE):
        rows = _answers(predictions, slice(start, start + _AT_ONCE), text)
        if before is not None:
            sent = islice(before, len(rows))
            rows = [[*row, *answers] for row, answers in zip(sent, rows, strict=True)]
        piece = _lines(rows)
        if (size := size + len(piece)) > most:
            raise InputRefused(
                f"The rows take more than {most:,} bytes as CSV. Send fewer at once, send them as "
                "CSV, or leave out with_inputs."
            )
        yield piece


def free_name(name: str, taken: Sequence[str]) -> str:
    """``name``, or with a number after it if ``taken`` has that."""
    names = chain([name], (f"{name}_{number}" for number in count(2)))
    return next(one for one in names if one not in taken)


def _answers(
    predictions: Predictions, part: slice, text: Callable[[str], str]
) -> list[list[object]]:
    rows = [[_answer(value, text)] for value in predictions.values[part]]
    if predictions.probabilities is not None:
        for row, shares in zip(rows, predictions.probabilities[part].tolist(), strict=True):
            row.extend(shares)
    if predictions.scores is not None:
        for row, score in zip(rows, predictions.scores[part].tolist(), strict=True):
            row.append(score)
    return rows


def _answer(value: Any, text: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return text(value)
    # Python writes all digits of a float.
    return msgspec.json.encode(value).decode() if isinstance(value, bool | list) else value


def _rows_of(batch: Batch, signature: Signature) -> Iterator[list[str]]:
    columns = [(column.type, batch.columns[column.name]) for column in signature.inputs]
    for row in range(batch.rows):
        yield [cell_text(array_to_cell(type_, cells[row])) for type_, cells in columns]


def _lines(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
