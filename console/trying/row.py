"""The answer for the row of the form, and all that is shown beside it."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from api.services import services
from console.charts.spread import Spread, spread
from console.trying.answers import Answer, answer_of, difference_words
from console.trying.fields import Field, Texts
from console.trying.outside import Outside, outside_training
from console.trying.predicting import named, predict_row, record_of
from console.trying.subject import Tried
from console.trying.what_if import WhatIf, what_if
from registry.errors import Refused
from registry.signature import Record

_SLOW_SECONDS = 0.5


class Other(NamedTuple):
    """Another version that predicted too: its answer, and how it differs in words; or why it
    gave none."""

    version: int
    answer: Answer | None
    words: str


class Answered(NamedTuple):
    """``record`` is the row as JSON; ``is_slow``: too slow to predict at each key."""

    answer: Answer
    other: Other | None
    outside: list[Outside]
    what_if: WhatIf | None
    spread: Spread | None
    record: Record
    is_slow: bool


def answer_row(tried: Tried, typed: Texts) -> Answered:
    """The answer for what is typed. Raises Refused where it does not fit, and the errors of loading
    a version."""
    loaded = services().watch.resolve(tried.model, str(tried.number))
    row = named(tried.fields, typed)
    began = time.perf_counter()
    predicted = predict_row(loaded, row)
    is_slow = time.perf_counter() - began > _SLOW_SECONDS
    answer = answer_of(tried.number, predicted.predictions, tried.signature)
    chosen = chosen_field(tried.varied, typed)
    return Answered(
        answer,
        _other(tried, row, typed.get("other", ""), answer),
        outside_training(tried.fields, predicted.batch),
        what_if(loaded, chosen, predicted.batch, answer) if chosen and not is_slow else None,
        _spread(tried, answer),
        record_of(tried.fields, predicted.batch),
        is_slow,
    )


def chosen_field(varied: Sequence[Field], typed: Texts) -> Field | None:
    """The column that is varied: the most important one by default."""
    wanted = typed.get("what_if")
    return next((field for field in varied if field.key == wanted), next(iter(varied), None))


def _other(tried: Tried, row: dict[str, str], number: str, answer: Answer) -> Other | None:
    """What another version answers for the same columns."""
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        return None
    loaded = services().watch.resolve(tried.model, number)
    try:
        predicted = predict_row(loaded, row)
    except Refused as error:
        return Other(int(number), None, error.detail)
    found = answer_of(int(number), predicted.predictions, loaded.version.signature)
    return Other(int(number), found, difference_words(answer, found))


def _spread(tried: Tried, answer: Answer) -> Spread | None:
    """Where a predicted number falls among the true values of the held-out rows."""
    known = tried.evaluation.predicted_vs_true
    if known is None or not answer.is_number or answer.places:
        return None
    return spread(known.true, float(answer.value))
