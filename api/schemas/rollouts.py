"""Schemas of rollouts."""

from typing import get_args

import marshmallow as ma
from marshmallow import fields, validate

from api.schemas.bases import OptionalBodySchema, PlainSchema, StrictSchema
from api.schemas.fields import (
    LARGEST_VERSION,
    Flag,
    Number,
    QueryNumber,
    WholeNumber,
    text,
)
from registry.gates.conditions import MAX_CONDITIONS, MAX_LENGTH
from registry.gates.grammar import PATTERN as GATE
from registry.guards.evidence import Verdict
from registry.guards.grammar import PATTERN as GUARD
from registry.rollouts.plan import (
    DEFAULT_GUARDS,
    MOST_MINUTES,
    MOST_REQUESTS,
    MOST_STEPS,
    AtDeadline,
    Unwatched,
)
from registry.rollouts.progress import STATES
from registry.splits.choice import SPLIT_BY

_DEADLINE = r"^[1-9][0-9]{0,6}[smhd]$"


class StepSchema(StrictSchema):
    weight = Number(
        required=True,
        validate=validate.Range(0, 100, min_inclusive=False),
        metadata={
            "description": "Percent of the requests, with up to two decimals; more than in the "
            "step before. The last step has 100 and nothing else: it is the promotion.",
            "exclusiveMinimum": 0,
        },
    )
    minutes = Number(
        validate=validate.Range(0, MOST_MINUTES, min_inclusive=False),
        metadata={
            "description": "How long the step takes at least; required except in the last.",
            "exclusiveMinimum": 0,
        },
    )
    requests = WholeNumber(
        validate=validate.Range(1, MOST_REQUESTS),
        metadata={"description": "How many requests each version must have in the step; 1."},
    )


class PlanSchema(StrictSchema):
    steps = fields.List(
        fields.Nested(StepSchema), required=True, validate=validate.Length(2, MOST_STEPS)
    )
    guards = fields.List(
        text(MAX_LENGTH, pattern=GUARD),
        validate=validate.Length(max=MAX_CONDITIONS),
        metadata={
            "description": f"Roll back as soon as one fails; by default {list(DEFAULT_GUARDS)}.",
            "uniqueItems": True,
        },
    )
    require = fields.List(
        text(MAX_LENGTH, pattern=GATE),
        validate=validate.Length(max=MAX_CONDITIONS),
        metadata={
            "description": "Gates that must pass at the end of each step.",
            "uniqueItems": True,
        },
    )
    by = fields.String(
        validate=validate.OneOf(SPLIT_BY),
        metadata={"description": "What chooses the version of a request; header."},
    )
    deadline = fields.String(
        metadata={
            "pattern": _DEADLINE,
            "description": "After how long at_deadline applies: up to 30d; 24h.",
            "example": "24h",
        }
    )
    at_deadline = fields.String(
        validate=validate.OneOf(get_args(AtDeadline)), metadata={"description": "hold"}
    )
    unwatched = fields.String(
        validate=validate.OneOf(get_args(Unwatched)),
        metadata={"description": "What happens while no keeper runs; hold."},
    )
    bake = Number(
        validate=validate.Range(0, MOST_MINUTES),
        metadata={"description": "Minutes for which guards apply after the promotion; 60."},
    )


class RolloutStartSchema(PlanSchema):
    version = WholeNumber(required=True, validate=validate.Range(1, LARGEST_VERSION))
    reason = text(2_000, load_default=None, allow_none=True)
    expected_version = WholeNumber(
        validate=validate.Range(1, LARGEST_VERSION),
        metadata={"description": "The alias's current version."},
    )
    expected_generation = WholeNumber(
        validate=validate.Range(0, LARGEST_VERSION),
        metadata={"description": "The generation of the model, which each change increases."},
    )
    force = Flag(
        load_default=False,
        metadata={
            "description": "Start although gates fail, or the version was rolled back in the last "
            "24 hours: requires scope admin and a reason. The promotion at the end is not forced."
        },
    )


class RolloutMoveSchema(OptionalBodySchema):
    reason = text(2_000, load_default=None, allow_none=True)
    expected_revision = WholeNumber(
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, LARGEST_VERSION),
        metadata={"description": "The revision of the rollout that the caller has seen."},
    )


class RolloutAbortQuerySchema(ma.Schema):
    reason = text(2_000, load_default=None)
    expected_revision = QueryNumber(
        load_default=None,
        validate=validate.Range(1, LARGEST_VERSION),
        metadata={"description": "The revision of the rollout that the caller has seen."},
    )


class ArmCountsSchema(ma.Schema):
    requests = fields.Integer()
    bad = fields.Integer(metadata={"description": "Those that the guard counts."})


class GuardStateSchema(ma.Schema):
    guard = fields.String()
    verdict = fields.String(metadata={"enum": list(get_args(Verdict))})
    e_value = fields.Float(
        metadata={"description": "Begins at 1; the guard has failed from 100 on."}
    )
    canary = fields.Nested(ArmCountsSchema)
    champion = fields.Nested(ArmCountsSchema)


class RolloutRequestsSchema(ma.Schema):
    canary = fields.Integer()
    champion = fields.Integer()


class RolloutSchema(PlainSchema):
    id = fields.Integer()
    model = fields.String()
    alias = fields.String()
    version = fields.Integer(metadata={"description": "The canary, which is rolled out."})
    champion = fields.Integer(
        metadata={"description": "The version that the alias pointed at when it began."}
    )
    state = fields.String(metadata={"enum": list(STATES)})
    reason = fields.String(metadata={"description": "Why it is in this state, in one sentence."})
    step = fields.Integer(metadata={"description": "The present step, from 1."})
    step_began_at = fields.String(metadata={"format": "date-time"})
    requests = fields.Nested(
        RolloutRequestsSchema, metadata={"description": "Requests in the present step."}
    )
    guards = fields.List(fields.Nested(GuardStateSchema))
    plan = fields.Nested(PlanSchema, metadata={"description": "With all defaults."})
    revision = fields.Integer(
        metadata={"description": "Increases with each change, and with each rollout of the alias."}
    )
    watched = fields.Boolean(
        metadata={"description": "false: no keeper has looked at it for a minute."}
    )
    forced = fields.Boolean(metadata={"description": "Whether it was started with force."})
    deadline_at = fields.String(metadata={"format": "date-time"})
    created_at = fields.String(metadata={"format": "date-time"})
    created_by = fields.String()
    ended_at = fields.String(allow_none=True, metadata={"format": "date-time"})
    cooldown_until = fields.String(
        allow_none=True,
        metadata={
            "format": "date-time",
            "description": "Until when the version cannot be rolled out again without force.",
        },
    )
