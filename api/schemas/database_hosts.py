"""Schemas of the hosts that share a database."""

from marshmallow import fields

from api.schemas.bases import PlainSchema


class HostSchema(PlainSchema):
    name = fields.String()
    state = fields.String(
        metadata={
            "enum": ["joining", "live", "leaving", "alone"],
            "description": "joining: it loads what is live first; alone: it has no lease.",
        }
    )
    lost = fields.Boolean(metadata={"description": "It has not been seen for a lease."})
    release = fields.String()
    workers = fields.Integer()
    acknowledged = fields.Integer(
        metadata={"description": "The last event of the history that all of its workers answer by."}
    )
    seen_at = fields.String(metadata={"format": "date-time"})


class HostsSchema(PlainSchema):
    items = fields.List(fields.Nested(HostSchema))
    answered_by = fields.String(metadata={"description": "The host that answers this request."})
