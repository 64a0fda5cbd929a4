"""What the answer would be if one column were different: many rows in one batch."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from console.charts.curve import MOST_LEVELS, Curve, curve
from console.formats import number, percent
from console.trying.answers import Answer, share_of
from console.trying.fields import Field, is_long
from console.trying.outside import range_text
from console.trying.predicting import predict
from registry.codecs.batch import Batch
from registry.codecs.predictions import Predictions
from registry.errors import Refused
from registry.live.pool import LoadedVersion
from registry.signature import Signature, label_text

POINTS = 41
MOST_BARS = 20


class Bar(NamedTuple):
    """The answer for one value of the column; ``start`` and ``width`` are shares of the row."""

    label: str
    text: str
    start: float
    width: float
    is_now: bool


class WhatIf(NamedTuple):
    """A curve over a range, or a bar for each value; ``measure`` says what is drawn."""

    measure: str
    curve: Curve | None = None
    bars: tuple[Bar, ...] = ()
    problem: str = ""


class Measured(NamedTuple):
    """What is drawn of each row: a figure and its text; ``levels``: the figures are classes."""

    measure: str
    figures: list[float]
    texts: list[str]
    levels: tuple[str, ...] = ()
    is_share: bool = False


def can_vary(field: Field) -> bool:
    """Whether training tells which values the column has."""
    return field.has_range or (len(field.options) > 1 and not is_long(field))


def what_if(loaded: LoadedVersion, field: Field, batch: Batch, answer: Answer) -> WhatIf | None:
    """How the answer for the row of ``batch`` depends on ``field``; None if it is unknown."""
    now = batch.columns[field.name][0]
    values = _values(field, now)
    columns: dict[str, Any] = {
        name: np.repeat(cells, len(values)) for name, cells in batch.columns.items()
    }
    columns[field.name] = values
    try:
        predictions = predict(loaded, Batch(columns, len(values)), beside=True)
    except Refused as error:
        return WhatIf("", problem=error.detail)
    measured = _measured(predictions, loaded.version.signature, answer)
    if measured is None:
        return None
    if field.has_range:
        return _curve(field, values, measured, now)
    return WhatIf(measured.measure, bars=_bars(field, values, measured, now))


def _values(field: Field, now: Any) -> NDArray[Any]:
    if field.type == "string":
        options: list[Any] = list(field.options[:MOST_BARS])
        if now == now and now not in options:  # noqa: PLR0124 - not null
            options.append(now)
        values = np.empty(len(options), object)
        values[:] = options
        return values
    if field.type == "boolean":
        return np.array([1.0, 0.0])
    low, high = field.low or 0.0, field.high or 0.0
    values = np.linspace(low, high, POINTS)
    if field.type == "integer":
        values = np.unique(np.rint(values))
    inside = now == now and low <= now <= high  # noqa: PLR0124
    return np.unique(np.append(values, now)) if inside else values


def _measured(predictions: Predictions, signature: Signature, answer: Answer) -> Measured | None:
    output, values = signature.output, predictions.values
    if output.classes is None:
        figures = [float(row[0] if output.size is not None else row) for row in values]
        first = f"the first of {output.name}" if output.size is not None else output.name
        return Measured(first, figures, [number(figure) for figure in figures])
    if (shares := share_of(predictions, signature, answer.text)) is not None:
        texts = [percent(share) for share in shares]
        return Measured(f"chance of {answer.text}", shares, texts, is_share=True)
    if predictions.scores is not None:
        scores = predictions.scores.tolist()
        return Measured("score", scores, [number(score) for score in scores])
    if output.size is not None:
        return None
    texts = [label_text(value) for value in values]
    levels = tuple(dict.fromkeys(sorted(texts)))[:MOST_LEVELS]
    known = [text if text in levels else levels[-1] for text in texts]
    return Measured(output.name, [float(levels.index(text)) for text in known], texts, levels)


def _curve(field: Field, values: NDArray[Any], measured: Measured, now: Any) -> WhatIf:
    points = list(zip(values.tolist(), measured.figures, strict=True))
    present = next((point for point in points if point[0] == now), None)
    tips = [
        f"{range_text(field, value)}: {text}"
        for value, text in zip(values.tolist(), measured.texts, strict=True)
    ]
    drawn = curve(
        points,
        present,
        tips=tips,
        x_text=lambda value: range_text(field, value),
        y_text=percent if measured.is_share else number,
        levels=measured.levels,
        is_share=measured.is_share,
    )
    return WhatIf(measured.measure, drawn)


def _bars(
    field: Field, values: Sequence[Any] | NDArray[Any], measured: Measured, now: Any
) -> tuple[Bar, ...]:
    low, high = min(0.0, *measured.figures), max(0.0, *measured.figures)
    span = (high - low) or 1.0
    bars = []
    for value, figure, text in zip(values, measured.figures, measured.texts, strict=True):
        label = ("true" if value else "false") if field.type == "boolean" else str(value)
        start, end = sorted(((0.0 - low) / span, (figure - low) / span))
        width = 0.0 if measured.levels else end - start
        bars.append(Bar(label, text, start, width, bool(value == now)))
    return tuple(bars)
