"""The forms that move an alias."""

import re

import marshmallow as ma
from flask import request
from marshmallow import validate

from registry.errors import Conflict, Refused, StorageFull, Unavailable

REFUSALS = (Conflict, Refused, Unavailable, StorageFull)
"""Errors after which the form is shown again, with what was typed."""
NONE = "none"
"""Stands for the alias that does not exist, where a version is expected."""
_EXPECTED = re.compile(rf"{NONE}|[1-9][0-9]{{0,8}}")
_LONGEST = 2000


class Expected(ma.fields.Field[int | None]):
    """The version that the alias pointed at when the page was made; None: it did not exist."""

    def _deserialize(self, value: object, *_: object, **__: object) -> int | None:
        if not isinstance(value, str) or not _EXPECTED.fullmatch(value):
            raise ma.ValidationError("is malformed: load the page again")
        return None if value == NONE else int(value)


def reason_field(least: int, message: str) -> ma.fields.String:
    """A reason of at least ``least`` characters; ``message`` is the fault of a shorter one."""
    return ma.fields.String(
        required=True,
        validate=[
            validate.Length(min=least, error=message),
            validate.Length(max=_LONGEST, error=f"is longer than {_LONGEST:,} characters"),
        ],
        error_messages={"required": message},
    )


class MoveForm(ma.Schema):
    """A change of an alias: why, and its version and the model's generation when the page was
    made."""

    reason = reason_field(1, "is required: say why")
    expected_version = Expected(required=True)
    expected_generation = ma.fields.Integer(required=True, validate=validate.Range(min=0))


def _check_confirmed(text: str) -> None:
    name = (request.view_args or {})["name"]
    if text != name:
        raise ma.ValidationError(f"expected the name of the model, {name}")


class ForceForm(MoveForm):
    """A promotion although gates fail."""

    reason = reason_field(10, "is required, with at least 10 characters")
    confirm = ma.fields.String(required=True, validate=_check_confirmed)
