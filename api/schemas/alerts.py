"""Schemas of alerts."""

from marshmallow import fields, validate

from api.schemas.bases import PagingSchema, PlainSchema, page_of
from api.schemas.fields import text
from registry.storage.alert_tables import ALERT_KINDS


class ModelAlertQuerySchema(PagingSchema):
    kind = fields.String(validate=validate.OneOf(ALERT_KINDS))
    is_open = fields.Boolean(
        data_key="open",
        metadata={
            "description": "true: only alerts whose cause holds; false: only closed ones; absent: "
            "all."
        },
    )


class AlertQuerySchema(ModelAlertQuerySchema):
    model = text(128, metadata={"description": "Of this model."})


class AlertSchema(PlainSchema):
    id = fields.Integer()
    kind = fields.String(metadata={"enum": list(ALERT_KINDS)})
    model = fields.String(
        allow_none=True, metadata={"description": "null: it concerns the whole server."}
    )
    alias = fields.String(allow_none=True)
    version = fields.Integer(allow_none=True)
    subject = fields.String(
        metadata={"description": "What it is about within its kind, such as an alias."}
    )
    message = fields.String(metadata={"description": "What was found, in one sentence."})
    evidence = fields.Dict(
        keys=fields.String(), metadata={"description": "The figures that led to it."}
    )
    opened_at = fields.String(metadata={"format": "date-time"})
    closed_at = fields.String(
        allow_none=True,
        metadata={"format": "date-time", "description": "null: its cause holds."},
    )
    seen_at = fields.String(allow_none=True, metadata={"format": "date-time"})
    seen_by = fields.String(
        allow_none=True, metadata={"description": "The token of whoever saw it first."}
    )


AlertPageSchema = page_of(AlertSchema, "AlertPage")
