"""Names the columns of a row whose values did not occur in training."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from console.formats import number
from console.trying.fields import Field
from registry.codecs.batch import Batch
from registry.dates import format_date


class Outside(NamedTuple):
    """The column, and in words how its value differs."""

    field: Field
    words: str


def outside_training(fields: Sequence[Field], batch: Batch) -> list[Outside]:
    """The columns of the first row of ``batch`` that lie outside of what training saw."""
    found = ((field, words) for field in fields for words in _words(field, batch))
    return [Outside(field, words) for field, words in found]


def _words(field: Field, batch: Batch) -> Iterator[str]:
    value = batch.columns[field.name][0]
    if value != value:  # noqa: PLR0124 - null
        return
    if field.type == "string":
        if field.all_known and value not in field.options:
            yield "did not occur in training"
    elif field.low is not None and value < field.low:
        yield f"is below {range_text(field, field.low)}, the least in training"
    elif field.high is not None and value > field.high:
        yield f"is above {range_text(field, field.high)}, the most in training"


def range_text(field: Field, value: float) -> str:
    """An end of the field's range as people read it."""
    if field.type == "date":
        return format_date(value).replace("T", " ")
    return number(int(value) if value.is_integer() and abs(value) < 1e15 else value)
