"""Schemas of comparisons of versions."""

import marshmallow as ma
from marshmallow import fields

from api.schemas.fields import text
from registry.formats.reading import FORMATS
from registry.names import ALIAS
from registry.signature import KINDS, TASKS
from registry.storage.tables import STATUSES

_REFERENCE = rf"(?:0|[1-9][0-9]{{0,9}}|{ALIAS.pattern})"


class ComparisonQuerySchema(ma.Schema):
    versions = text(
        1_000,
        required=True,
        pattern=rf"^ *{_REFERENCE} *(, *{_REFERENCE} *){{1,9}}$",
        metadata={
            "description": "2 to 10 versions, separated by commas: numbers, aliases or 'latest'.",
            "example": "3,production",
        },
    )


class ComparedVersionSchema(ma.Schema):
    """One of the compared versions."""

    reference = fields.String(metadata={"description": "as requested"})
    version = fields.Integer()
    status = fields.String(metadata={"enum": list(STATUSES)})
    kind = fields.String(metadata={"enum": list(KINDS)})
    task = fields.String(metadata={"enum": list(TASKS)})
    aliases = fields.List(fields.String())
    description = fields.String()
    tags = fields.Dict(keys=fields.String(), values=fields.String())
    engine = fields.String(allow_none=True)
    format = fields.String(metadata={"enum": list(FORMATS)})
    size = fields.Integer(metadata={"description": "bytes"})
    created_at = fields.String(metadata={"format": "date-time"})
    created_by = fields.String()


class ComparedSchema(ma.Schema):
    """One value of each version, in the order of the request."""

    name = fields.String()
    values = fields.List(fields.Raw(allow_none=True))
    missing = fields.List(
        fields.Integer(),
        metadata={"description": "The versions without a value; theirs is null."},
    )
    differs = fields.Boolean()


class ComparedMetricSchema(ComparedSchema):
    values = fields.List(fields.Float(allow_none=True))
    better = fields.String(allow_none=True, metadata={"enum": ["higher", "lower", None]})
    best = fields.List(
        fields.Integer(), metadata={"description": "The versions with the best value."}
    )


class MeasuredMetricSchema(ComparedMetricSchema):
    holdouts = fields.List(
        fields.String(allow_none=True),
        metadata={
            "description": "The SHA-256 of the holdout that each value was measured on, or the "
            "event that recorded it. If they differ, 'best' is empty."
        },
    )


class ComparisonSchema(ma.Schema):
    model = fields.String()
    versions = fields.List(fields.Nested(ComparedVersionSchema))
    metrics = fields.List(
        fields.Nested(ComparedMetricSchema),
        metadata={"description": "As claimed by the uploaders."},
    )
    measured = fields.List(
        fields.Nested(MeasuredMetricSchema),
        metadata={
            "description": "Measured by the registry when gates were evaluated, on the latest "
            "holdout that all of the versions were measured on, if there is one."
        },
    )
    params = fields.List(fields.Nested(ComparedSchema))
    signature = fields.List(fields.Nested(ComparedSchema))
    lineage = fields.List(fields.Nested(ComparedSchema))
    environment = fields.List(fields.Nested(ComparedSchema))
