"""Schemas of holdouts."""

import marshmallow as ma
from marshmallow import fields

from api.schemas.bases import PagingSchema
from api.schemas.fields import text
from registry.signature import MAX_COLUMN_NAME
from registry.storage.tables import HOLDOUT_FORMATS


class HoldoutTargetSchema(ma.Schema):
    target = text(
        MAX_COLUMN_NAME,
        metadata={"description": "The target column; default: the newest version's."},
    )


class HoldoutQuerySchema(PagingSchema):
    history = fields.Boolean(
        load_default=False, metadata={"description": "List all holdouts, also earlier ones."}
    )


class HoldoutSchema(ma.Schema):
    sha256 = fields.String()
    size = fields.Integer(metadata={"description": "bytes"})
    format = fields.String(metadata={"enum": list(HOLDOUT_FORMATS)})
    rows = fields.Integer()
    columns = fields.List(fields.String())
    target = fields.String()
    created_at = fields.String(metadata={"format": "date-time"})
    created_by = fields.String()
    removed_at = fields.String(allow_none=True, metadata={"format": "date-time"})
    removed_by = fields.String(allow_none=True)


class TrainedOnSchema(ma.Schema):
    version = fields.Integer()
    rows = fields.Integer(
        allow_none=True,
        metadata={"description": "Rows of the holdout that it was trained on; null: unknown."},
    )


class SetHoldoutSchema(HoldoutSchema):
    """The current holdout, and what the newest version and the live ones were trained on."""

    trained_on = fields.List(fields.Nested(TrainedOnSchema))


class HoldoutsSchema(HoldoutSchema):
    """The current holdout; with ``history=true`` a page of all holdouts instead."""

    items = fields.List(fields.Nested(HoldoutSchema))
    page = fields.Integer()
    page_size = fields.Integer()
    total = fields.Integer()
    next = fields.String()
