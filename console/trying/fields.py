"""The fields of the form: one for each input of a signature, with what training knows of it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from registry.codecs.text_body import cell_text
from registry.dates import format_date, parse_date
from registry.reading.profiles import ColumnProfile
from registry.reading.stored_evaluation import ColumnSummary, StoredEvaluation
from registry.signature import ColumnType, Record, Signature

MOST_FIELDS = 500
"""With more columns there is no form: rows are pasted, or sent as a file."""
MOST_OPTIONS = 50
_MOST_WEIGHTS = 500
_LARGEST = 1e150
"""Differences of smaller numbers are finite. An uploader may write anything."""
_LONG_TEXT = 60
_LONGEST_OPTION = 200
_LONGEST_DATE = 40
_BOOLEANS = ("true", "false")

Texts = Mapping[str, str]
"""What is typed in each field, by its key. Empty is null."""


class Field(NamedTuple):
    """``low`` to ``high`` are the values in training, of dates as seconds; None: unknown.

    ``options`` are texts that were seen, the most frequent first; ``all_known``: no others were.
    """

    key: str
    name: str
    type: ColumnType
    nullable: bool
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    options: tuple[str, ...] = ()
    all_known: bool = False

    @property
    def label(self) -> str:
        """The name as words."""
        return self.name.replace("_", " ").strip() or self.name

    @property
    def has_range(self) -> bool:
        if self.low is None or self.high is None:
            return False
        return -_LARGEST < self.low < self.high < _LARGEST


def fields_of(signature: Signature, evaluation: StoredEvaluation) -> list[Field]:
    """The fields in the order of the signature."""
    profiles = evaluation.profile.columns if evaluation.profile is not None else {}
    return [
        Field(
            f"c{index}",
            column.name,
            column.type,
            column.nullable,
            *_known(column.type, evaluation.columns.get(column.name), profiles.get(column.name)),
        )
        for index, column in enumerate(signature.inputs)
    ]


def by_importance(fields: Sequence[Field], evaluation: StoredEvaluation) -> list[Field]:
    """``fields``, the most important first as far as the model's weights tell."""
    weights = evaluation.importances or evaluation.coefficients
    names = {field.name for field in fields}
    strength: dict[str, float] = defaultdict(float)
    for weight in weights[:_MOST_WEIGHTS]:
        name = next((part for part in _prefixes(weight.feature) if part in names), None)
        if name is not None:
            strength[name] += abs(weight.value)
    return sorted(fields, key=lambda field: -strength.get(field.name, 0.0))


def example_texts(fields: Sequence[Field], example: Record | None) -> dict[str, str]:
    """The input example; without one, or for a column that it lacks, usual values of training."""
    known = example or {}
    return {
        field.key: cell_text(known[field.name]) if field.name in known else _usual(field)
        for field in fields
    }


def is_long(field: Field, text: str = "") -> bool:
    """Whether the field holds free text, which takes several lines."""
    texts = (text, *field.options)
    return field.type == "string" and any(len(one) > _LONG_TEXT for one in texts)


def _known(
    type_: ColumnType, summary: ColumnSummary | None, profile: ColumnProfile | None
) -> Iterator[Any]:
    """``low``, ``high``, ``mean``, ``options`` and ``all_known`` of a field."""
    known = summary or ColumnSummary()
    if type_ == "boolean":
        yield from (None, None, None, _BOOLEANS, True)
    elif type_ == "string":
        values = _first(known.values, profile and profile.values) or {}
        other = _first(known.other, profile and profile.other) or 0
        short = [text for text in values if len(text) <= _LONGEST_OPTION]
        options = sorted(short, key=lambda text: -values[text])[:MOST_OPTIONS]
        all_known = 0 < len(options) == len(values) and not other
        yield from (None, None, None, tuple(options), all_known)
    elif type_ == "date":
        yield _first(_seconds(known.first), profile and profile.min)
        yield _first(_seconds(known.last), profile and profile.max)
    else:
        yield _first(known.min, profile and profile.min)
        yield _first(known.max, profile and profile.max)
        yield known.mean


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else parse_date(text)
    except ValueError:
        return None


def _usual(field: Field) -> str:
    if field.options:
        return field.options[0]
    if field.type == "date":
        return "" if field.high is None else format_date(field.high)[:_LONGEST_DATE]
    if field.mean is None:
        return "" if field.low is None else cell_text(field.low)
    return cell_text(round(field.mean) if field.type == "integer" else float(f"{field.mean:.4g}"))


def _prefixes(feature: str) -> Iterator[str]:
    """The names of columns that a feature may be made of: encoders append the value to it."""
    yield feature
    for end in range(len(feature) - 1, 0, -1):
        if feature[end] in "_=":
            yield feature[:end]
