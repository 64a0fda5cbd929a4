"""Schemas of splits."""

import marshmallow as ma
from marshmallow import fields, validate

from api.schemas.bases import StrictSchema
from api.schemas.fields import LARGEST_VERSION, AtMost, Number, WholeNumber, text
from api.schemas.promotions import (
    AliasEndQuerySchema,
    ArmSchema,
    GateResultSchema,
    expected_generation,
    force,
    gates,
)
from registry.splits.choice import SPLIT_BY
from registry.splits.weights import FEWEST_ARMS, MOST_ARMS

_NUMBER = r"[1-9][0-9]{0,8}"


def _number() -> fields.String:
    return fields.String(
        validate=validate.Regexp(rf"{_NUMBER}\Z"), metadata={"pattern": f"^{_NUMBER}$"}
    )


class SplitTargetSchema(StrictSchema):
    weights = fields.Dict(
        keys=_number(),
        values=Number(validate=validate.Range(0, 100)),
        required=True,
        validate=AtMost(MOST_ARMS),
        metadata={
            "minProperties": FEWEST_ARMS,
            "description": "The share of each version in percent, with at most two decimals. They "
            "add up to 100, and the version that the alias points at is one of them.",
        },
    )
    by = fields.String(
        validate=validate.OneOf(SPLIT_BY),
        metadata={
            "description": "What the version of a request is chosen by: the header X-Request-Key, "
            "the token, or the request id. Default: as at present, or header."
        },
    )
    expected_version = WholeNumber(
        validate=validate.Range(1, LARGEST_VERSION),
        metadata={"description": "The version that the alias points at."},
    )
    expected_generation = expected_generation()
    reason = text(2_000, load_default=None, allow_none=True)
    force = force()
    gates = gates()


class SplitEndQuerySchema(AliasEndQuerySchema):
    reason = text(2_000)


class ArmGateResultSchema(GateResultSchema):
    """The result of a gate of a version that was added to a split."""

    version = fields.Integer()


class SplitSchema(ma.Schema):
    """A split; ``since``, ``changed_by`` and ``reason`` are of the last change of its weights."""

    model = fields.String()
    alias = fields.String()
    version = fields.Integer(metadata={"description": "The version that the alias points at."})
    by = fields.String(metadata={"enum": list(SPLIT_BY)})
    arms = fields.List(fields.Nested(ArmSchema))
    generation = fields.Integer()
    since = fields.String(metadata={"format": "date-time"})
    changed_by = fields.String()
    reason = fields.String(allow_none=True)


class ArmTrafficSchema(ma.Schema):
    """What a version of a split has answered."""

    version = fields.Integer()
    requests = fields.Integer()
    request_share = fields.Float()
    key_share = fields.Float()


class SplitTrafficSchema(ma.Schema):
    """What a split has answered since its weights were changed, in this hour and the one before, on
    all hosts that share the database. Keys are counted by their hashes: exact up to 4,096,
    otherwise within 2 %."""

    requests = fields.Integer()
    keys = fields.Integer(metadata={"description": "How many different keys."})
    largest_key_share = fields.Float(
        metadata={
            "description": "The share of the requests that the key with the most has, within 0.1 %."
        }
    )
    arms = fields.List(fields.Nested(ArmTrafficSchema))


class ShownSplitSchema(SplitSchema):
    """A split with its real shares; null: there were no requests, or the token chooses."""

    traffic = fields.Nested(SplitTrafficSchema, allow_none=True)


class ChangedSplitSchema(SplitSchema):
    """A split, and the results of the gates of the versions that were added to it."""

    gates = fields.List(fields.Nested(ArmGateResultSchema))
