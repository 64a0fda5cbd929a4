"""Schemas of promotions, rollbacks, aliases, gates and their evaluation."""

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from api.schemas.bases import OptionalBodySchema, StrictSchema, page_of
from api.schemas.fields import (
    LARGEST_VERSION,
    Flag,
    Percentage,
    QueryNumber,
    WholeNumber,
    in_utc,
    text,
    whole,
)
from registry.gates.conditions import MAX_CONDITIONS, MAX_LENGTH
from registry.gates.grammar import PATTERN
from registry.names import ALIAS

GENERATION = "The model's current generation, which every change of one of its aliases increases."


def gates(**options: Any) -> "fields.List[Any]":
    """The gates of a request, in addition to the policy's."""
    return fields.List(
        text(MAX_LENGTH, pattern=PATTERN),
        validate=validate.Length(max=MAX_CONDITIONS),
        metadata={
            "description": "Conditions added to the policy's, such as 'rmse <= champion * 1.02'.",
            "uniqueItems": True,
        },
        **options,
    )


def force() -> Flag:
    """Whether a request is carried out although gates fail."""
    return Flag(
        load_default=False,
        metadata={
            "description": "Move the alias although gates fail: requires scope admin and a reason."
        },
    )


def expected_generation() -> WholeNumber:
    """The model's generation that a request depends on."""
    return WholeNumber(
        validate=validate.Range(0, LARGEST_VERSION),
        metadata={"description": GENERATION},
    )


def _end_split() -> Flag:
    return Flag(
        metadata={
            "description": "Promote the version also where the alias is split over other versions, "
            "which ends the split; otherwise that is a conflict."
        },
    )


class PromoteSchema(OptionalBodySchema):
    alias = fields.String(load_default="production", metadata={"pattern": whole(ALIAS)})
    expected_version = WholeNumber(
        allow_none=True,
        validate=validate.Range(1, LARGEST_VERSION),
        metadata={"description": "The alias's current version; null: the alias must not exist."},
    )
    expected_generation = expected_generation()
    reason = text(2_000, load_default=None, allow_none=True)
    force = force()
    end_split = _end_split()
    gates = gates()


class RollbackSchema(OptionalBodySchema):
    alias = fields.String(load_default="production", metadata={"pattern": whole(ALIAS)})
    expected_version = WholeNumber(
        validate=validate.Range(1, LARGEST_VERSION),
        metadata={"description": "The alias's current version."},
    )
    expected_generation = expected_generation()
    to_version = WholeNumber(
        load_default=None, allow_none=True, validate=validate.Range(1, LARGEST_VERSION)
    )
    reason = text(2_000, load_default=None, allow_none=True)


class AliasTargetSchema(StrictSchema):
    version = WholeNumber(required=True, validate=validate.Range(1, LARGEST_VERSION))
    expected_version = WholeNumber(allow_none=True, validate=validate.Range(1, LARGEST_VERSION))
    expected_generation = expected_generation()
    reason = text(2_000, load_default=None, allow_none=True)
    force = force()
    end_split = _end_split()
    gates = gates()


class EvaluateSchema(OptionalBodySchema):
    alias = fields.String(load_default="production", metadata={"pattern": whole(ALIAS)})
    gates = gates(load_default=list)


class VerdictQuerySchema(ma.Schema):
    alias = fields.String(load_default="production", metadata={"pattern": whole(ALIAS)})


class PolicyChangeSchema(StrictSchema):
    gates = gates(required=True)


class GateResultSchema(ma.Schema):
    """The result of a gate, and the values that it compared."""

    gate = fields.String()
    passed = fields.Boolean()
    candidate = fields.Float(allow_none=True)
    champion = fields.Float(allow_none=True)
    reason = fields.String(allow_none=True)
    interval = fields.List(
        fields.Float(),
        metadata={
            "description": "95% interval of the candidate's value minus the one compared with."
        },
    )
    measured = fields.String(allow_none=True, metadata={"enum": ["holdout", "claimed", None]})
    holdout = fields.String(
        metadata={"description": "The SHA-256 of the holdout that it was measured on."}
    )


class MovedSchema(ma.Schema):
    """The response to promote, rollback and PUT of an alias."""

    model = fields.String()
    alias = fields.String()
    version = fields.Integer()
    previous_version = fields.Integer(allow_none=True)
    generation = fields.Integer()
    gates = fields.List(fields.Nested(GateResultSchema))
    split_ended = fields.Boolean(
        metadata={"description": "The alias was split, and this ended the split."}
    )
    unconfirmed_hosts = fields.List(
        fields.String(),
        metadata={
            "description": "Hosts that may still answer by what held before, since they go on "
            "without the database (HOTSWAP_WITHOUT_LEASE)."
        },
    )


class MeasuredSchema(ma.Schema):
    """The metrics of a version; ``reason`` if it could not be measured."""

    version = fields.Integer()
    metrics = fields.Dict(keys=fields.String(), values=fields.Float())
    measured_on = fields.String(allow_none=True, metadata={"enum": ["holdout", "claimed", None]})
    reason = fields.String(allow_none=True)
    rows_trained_on = fields.Integer(
        allow_none=True,
        metadata={"description": "Rows of the holdout that it was trained on; null: unknown."},
    )


class DifferenceSchema(ma.Schema):
    """The candidate's value minus the champion's, and its 95% bootstrap interval."""

    value = fields.Float()
    interval = fields.List(fields.Float(), allow_none=True)


class UsedHoldoutSchema(ma.Schema):
    sha256 = fields.String()
    rows = fields.Integer()
    target = fields.String()


class EvaluationSchema(ma.Schema):
    model = fields.String()
    alias = fields.String()
    passed = fields.Boolean()
    candidate = fields.Nested(MeasuredSchema)
    champion = fields.Nested(MeasuredSchema, allow_none=True)
    differences = fields.Dict(keys=fields.String(), values=fields.Nested(DifferenceSchema))
    holdout = fields.Nested(UsedHoldoutSchema, allow_none=True)
    gates = fields.List(fields.Nested(GateResultSchema))


class VerdictSchema(EvaluationSchema):
    evaluated_at = fields.String(metadata={"format": "date-time"})


class PolicySchema(ma.Schema):
    gates = fields.List(fields.String())
    updated_at = fields.String(allow_none=True, metadata={"format": "date-time"})
    updated_by = fields.String(allow_none=True)


class ArmSchema(ma.Schema):
    """A version of a split, and its share of the requests in percent."""

    version = fields.Integer()
    weight = Percentage()


class AliasSplitSchema(ma.Schema):
    """The versions that an alias is split over, and what one of them is chosen by."""

    by = fields.String(metadata={"enum": ["header", "token", "random"]})
    arms = fields.List(fields.Nested(ArmSchema))


def split_field() -> fields.Nested:
    """The split of an alias."""
    return fields.Nested(
        AliasSplitSchema,
        allow_none=True,
        metadata={"description": "The versions that answer; null: 'version' answers all."},
    )


class AliasSchema(ma.Schema):
    alias = fields.String()
    version = fields.Integer()
    split = split_field()
    since = fields.String(allow_none=True, metadata={"format": "date-time"})
    by = fields.String(allow_none=True)
    reason = fields.String(allow_none=True)
    forced = fields.Boolean(metadata={"description": "It was moved although gates failed."})
    rolled_back = fields.Boolean(metadata={"description": "It was moved by a rollback."})
    rollback_to = fields.Integer(
        allow_none=True,
        metadata={"description": "What a rollback would point it at; null: nothing."},
    )
    trail = fields.List(
        fields.Integer(),
        metadata={"description": "The versions that rollbacks go back to, in turn; at most 20."},
    )
    loaded_in = fields.Integer(
        metadata={"description": "How many of the workers of this server have loaded the version."}
    )
    workers = fields.Integer()


class AliasQuerySchema(ma.Schema):
    at = fields.AwareDateTime(
        format="iso",
        validate=in_utc,
        metadata={
            "description": "Show what the alias pointed at at this time, with a time zone, such as "
            "2026-11-21T06:00:00Z. In the future: what it points at now.",
            "example": "2026-11-21T06:00:00Z",
        },
    )


class AliasEndQuerySchema(ma.Schema):
    expected_generation = QueryNumber(
        validate=validate.Range(0, LARGEST_VERSION), metadata={"description": GENERATION}
    )


class AliasAtSchema(AliasSchema):
    """An alias; with ``at`` it has no ``split``, ``rollback_to``, ``trail``, ``loaded_in`` and
    ``workers``."""

    until = fields.String(
        allow_none=True,
        metadata={
            "format": "date-time",
            "description": "When it was moved or deleted; null: it still points there. Only with "
            "'at'.",
        },
    )


AliasPageSchema = page_of(AliasSchema, "AliasPage")
