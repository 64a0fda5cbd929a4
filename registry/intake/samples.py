"""Rows made from a signature, and from what the model itself has stored of its training data.

A converted model goes wrong at the edges: at a tree's threshold, at a null, at a category that
training never saw. So half of the numbers are exactly such values.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import Batch
from registry.dates import FIRST, LAST, format_date, parse_date
from registry.engines.predictor import example_batch
from registry.errors import InputRefused, MetadataRefused
from registry.intake.learned import Learned, learn
from registry.signature import Column, Record, Scalar, Signature

SEED = 20
UNKNOWN_TEXT = "a text that training never saw"
_NULLS = 0.1
_UNKNOWNS = 0.1
_AT_EDGES = 0.5
_DECADES = 12
_LARGEST_NUMBER = 1e30
"""Trees refuse what is beyond float32."""
_LARGEST_INTEGER = 2.0**53
_AT_CALENDAR_EDGES = 0.2
_WORDS = ("a", "unknown", "don't", "x2", "naïve", "Straße", "İstanbul", "日本語", "_under", "1,100")
_SEPARATORS = (" ", ", ", "\n", " - ", "\u2003", "…")
_CALENDAR_EDGES = [
    parse_date(text)
    for text in (
        *("0001-01-01", "1582-10-15", "1600-02-29", "1899-12-31T23:59:59", "1900-02-28T23:59:59"),
        *("1900-03-01", "1969-12-31T23:59:59.999999", "1970-01-01", "2000-02-29", "2023-02-28"),
        *("2024-02-29T12:00:00", "2024-12-31T23:59:59", "2025-01-01", "2100-03-01"),
        *("9999-12-31T23:59:59",),
    )
]
"""Ends of days, years and centuries, leap days, and the ends of the calendar."""


def first_row(signature: Signature, example: Record | None) -> Batch:
    """``example`` as a batch, or a row of default values without one. Raises MetadataRefused."""
    try:
        return example_batch(signature, example)
    except InputRefused as error:
        message = "The input example does not match the signature."
        raise MetadataRefused(message, error.faults) from error


def sample(model: Any, signature: Signature, example: Record | None, rows: int) -> Batch:
    """A batch of ``rows`` rows, the same each time; the first is ``example`` if there is one.

    The caller has checked that ``example`` matches the signature.
    """
    draws = np.random.default_rng(SEED)
    learned = learn(model, signature.names)
    columns = {}
    for column, known in zip(signature.inputs, learned, strict=True):
        values = _column(column, known, rows, draws)
        if example is not None:
            given = example.get(column.name)
            if column.type == "date" and isinstance(given, str):
                given = parse_date(given)
            values[0] = np.nan if given is None else given
        columns[column.name] = values
    return Batch(columns, rows)


def far_rows(batch: Batch, signature: Signature) -> Batch:
    """The rows of ``batch`` with their numbers far outside the range that training saw.

    All numbers of a row are multiplied by the same power of ten, from 1e-12 to 1e12; a number that
    would be too large is unchanged. Those of the first row are zero.
    """
    factors = 10.0 ** np.random.default_rng(SEED).uniform(-_DECADES, _DECADES, batch.rows)
    factors[:1] = 0.0
    columns = {}
    for column in signature.inputs:
        values = batch.columns[column.name].copy()
        if column.type in {"number", "integer"}:
            scaled = values * factors
            largest = _LARGEST_NUMBER
            if column.type == "integer":
                scaled, largest = np.rint(scaled), _LARGEST_INTEGER
            values = np.where(np.abs(scaled) > largest, values, scaled)
        columns[column.name] = values
    return Batch(columns, batch.rows)


def known_row(model: Any, signature: Signature) -> Record:
    """A row of values that ``model`` has stored of its training data, and so must accept."""
    learned = learn(model, signature.names)
    return {
        column.name: _known(column, known)
        for column, known in zip(signature.inputs, learned, strict=True)
    }


def _known(column: Column, known: Learned) -> Scalar:
    if column.type == "string":
        return known.texts[0] if known.texts else "a"
    if column.type == "date":
        return format_date(known.numbers[0]) if len(known.numbers) else "2026-01-31"
    number = float(known.numbers[0]) if len(known.numbers) else 0.5
    if column.type == "boolean":
        return bool(number)
    return round(number) if column.type == "integer" else number


def _column(column: Column, known: Learned, rows: int, draws: np.random.Generator) -> NDArray[Any]:
    if column.type == "string":
        values: NDArray[Any] = (
            _sentences(known.terms, rows, draws)
            if known.terms
            else _texts(known.texts, rows, draws)
        )
    elif column.type == "boolean":
        values = draws.integers(0, 2, rows).astype(np.float64)
    elif column.type == "date":
        values = _dates(known.numbers, rows, draws)
    else:
        values = _numbers(known.numbers, rows, draws)
        if column.type == "integer":
            values = np.rint(values)
    if column.nullable:
        values[draws.random(rows) < _NULLS] = np.nan
    return values


def _dates(
    known: NDArray[np.float64], rows: int, draws: np.random.Generator
) -> NDArray[np.float64]:
    """Whole seconds around the dates of the training, and where the calendar is irregular."""
    around = known if len(known) else np.array([0.0, parse_date("2038-01-19")])
    values = np.clip(np.rint(_numbers(around, rows, draws)), FIRST, LAST)
    at_edges = draws.random(rows) < _AT_CALENDAR_EDGES
    values[at_edges] = draws.choice(_CALENDAR_EDGES, int(at_edges.sum()))
    return values


def _texts(known: Sequence[str], rows: int, draws: np.random.Generator) -> NDArray[np.object_]:
    values = np.empty(rows, dtype=object)
    values[:] = [known[index] for index in draws.integers(0, len(known), rows)] if known else "a"
    values[draws.random(rows) < _UNKNOWNS] = UNKNOWN_TEXT
    return values


def _sentences(terms: Sequence[str], rows: int, draws: np.random.Generator) -> NDArray[np.object_]:
    """Up to 40 words each, most of them known, in any case and with any separators between them."""
    words = [*terms, *_WORDS]
    values = np.empty(rows, dtype=object)
    for row in range(rows):
        count = int(draws.integers(0, 41))
        chosen = [
            words[index] if known else _WORDS[index % len(_WORDS)]
            for index, known in zip(
                draws.integers(0, len(words), count), draws.random(count) > _UNKNOWNS, strict=True
            )
        ]
        cased = [word.upper() if upper else word for word, upper in
                 zip(chosen, draws.random(count) < _UNKNOWNS, strict=True)]  # fmt: skip
        values[row] = _SEPARATORS[int(draws.integers(0, len(_SEPARATORS)))].join(cased)
    return values


def _numbers(
    known: NDArray[np.float64], rows: int, draws: np.random.Generator
) -> NDArray[np.float64]:
    if not len(known):
        # Nothing is known about the column: small and large numbers of both signs.
        return draws.normal(size=rows) * 10.0 ** draws.integers(0, 4, rows)
    low, high = float(known.min()), float(known.max())
    margin = (high - low) / 5 or abs(low) / 10 or 1.0
    values = draws.uniform(low - margin, high + margin, rows)
    at_edges = draws.random(rows) < _AT_EDGES
    values[at_edges] = draws.choice(known, int(at_edges.sum()))
    return values
