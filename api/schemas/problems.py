"""Schemas of problem documents (RFC 9457)."""

import marshmallow as ma
from marshmallow import fields

from api.schemas.promotions import GateResultSchema


class FaultSchema(ma.Schema):
    at = fields.String(required=True)
    message = fields.String(required=True)


class ProblemSchema(ma.Schema):
    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    request_id = fields.String(required=True)
    errors = fields.List(fields.Nested(FaultSchema))
    gates = fields.List(
        fields.Nested(GateResultSchema),
        metadata={"description": "The result of every gate, if one failed."},
    )
    seq = fields.Integer(
        metadata={"description": "Of a broken history: the first event that is wrong or missing."}
    )
