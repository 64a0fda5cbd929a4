"""Types of fields, and validators, that several schemas use."""

import math
import re
from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from registry.stored_text import MAX_TAG_VALUE, MAX_TAGS, unstorable

LARGEST_VERSION = 2**31 - 1
"""The largest integer of a database column."""
MAX_DEPTH = 64
_DIGITS = re.compile(r"-?[0-9]{1,20}")

STORABLE = r"^[^\u0000]*$"
"""What ``registry.stored_text`` accepts; lone surrogates are checked by it alone."""


class WholeNumber(fields.Integer):
    """A JSON integer: 142 and, as JSON Schema has it, 142.0; neither ``"142"`` nor true."""

    def _validated(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise self.make_error("invalid", input=value)
        return int(value)


class Flag(fields.Boolean):
    """A JSON boolean; neither ``"true"`` nor 1."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002 - marshmallow's own signature
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Number(fields.Float):
    """A finite JSON number; neither ``"1.5"`` nor true."""

    def _validated(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid", input=value)
        try:
            number = float(value)
        except OverflowError as error:
            raise self.make_error("too_large", input=value) from error
        if not math.isfinite(number):
            raise self.make_error("special")
        return number


class Percentage(fields.Float):
    """Sent as it is: 90 rather than 90.0."""

    def _serialize(self, value: float | None, attr: str | None, obj: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - marshmallow's own signature
        return value


class QueryNumber(fields.Integer):
    """An integer in a query, in ASCII digits; Python would accept others, and ``1_000``."""

    def _validated(self, value: Any) -> int:
        if not (isinstance(value, str) and _DIGITS.fullmatch(value)):
            raise self.make_error("invalid", input=value)
        return int(value)


class AtMost(validate.Validator):
    """Validates that an object has at most ``most`` keys."""

    def __init__(self, most: int) -> None:
        self.most = most

    def __call__(self, value: dict[str, Any]) -> dict[str, Any]:
        if len(value) > self.most:
            raise ma.ValidationError(f"Longer than maximum length {self.most}.")
        return value


def text(most: int, *, pattern: str = STORABLE, **options: Any) -> fields.String:
    """A text of at most ``most`` characters that the registry can store."""
    metadata = {"pattern": pattern, **options.pop("metadata", {})}
    return fields.String(
        validate=[validate.Length(max=most), storable], metadata=metadata, **options
    )


def key() -> fields.String:
    """A key of an object, such as the name of a tag or a metric."""
    return fields.String(
        validate=[validate.Length(min=1, max=200), storable], metadata={"pattern": STORABLE}
    )


def tags_field(**options: Any) -> fields.Dict:
    """Tags of a model or a version."""
    return fields.Dict(keys=key(), values=text(MAX_TAG_VALUE), validate=AtMost(MAX_TAGS), **options)


def tag_in_query() -> fields.String:
    """A tag that what is listed has to have."""
    pattern = r"^([^\u0000:]*:[^\u0000]*)?$"
    return text(1_201, pattern=pattern, metadata={"description": "key:value"})


def json_object(**metadata: Any) -> fields.Dict:
    """A JSON object with any keys, of limited depth; ``metadata`` is added to its description."""
    return fields.Dict(keys=fields.String(), validate=_shallow, metadata=metadata)


def intervals_field() -> fields.Dict:
    """The intervals of a version's metrics, where they were requested."""
    return fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.Float(), metadata={"minItems": 2, "maxItems": 2}),
        metadata={
            "description": "The 95% interval of each metric, as its uploader claims; only with "
            "'include'."
        },
    )


def baseline_field() -> fields.Dict:
    """What a version's metrics are compared with, where it was requested."""
    return fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        metadata={
            "description": "The metrics of always predicting the same, as the version's uploader "
            "claims; only with 'include'."
        },
    )


def whole(grammar: re.Pattern[str]) -> str:
    """An anchored pattern: in JSON Schema an unanchored one matches anywhere in a text."""
    return f"^{grammar.pattern}$"


def storable(value: str) -> None:
    """Validates that the registry can store the text."""
    if (why := unstorable(value)) is not None:
        raise ma.ValidationError(why)


def in_utc(moment: datetime) -> None:
    """Validates that the time exists in UTC."""
    try:
        moment.astimezone(UTC)
    except OverflowError as error:
        raise ma.ValidationError("The date is out of range.") from error


def _shallow(value: Any) -> None:
    """Limits nesting to what recursive code that copies or encodes the value can handle."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise ma.ValidationError(f"Nested more than {MAX_DEPTH} levels deep.")
