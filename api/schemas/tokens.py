"""Schemas of tokens."""

import marshmallow as ma
from marshmallow import fields, validate

from api.schemas.bases import PagingSchema, StrictSchema, page_of
from api.schemas.fields import STORABLE, in_utc, storable, text, whole
from registry.operations.create_token import MODEL_PATTERN
from registry.tokens import KINDS, SCOPES, TOKEN_STATES


class TokenQuerySchema(PagingSchema):
    state = fields.String(validate=validate.OneOf(TOKEN_STATES))
    q = text(200, metadata={"description": "Part of the name, case-insensitive."})


class NewTokenSchema(StrictSchema):
    name = fields.String(
        required=True,
        validate=[validate.Length(min=1, max=200), storable],
        metadata={"pattern": STORABLE},
    )
    kind = fields.String(
        load_default="program",
        validate=validate.OneOf(KINDS),
        metadata={"description": "Who uses it; it changes no rights."},
    )
    scopes = fields.List(
        fields.String(validate=validate.OneOf(SCOPES)),
        required=True,
        validate=validate.Length(min=1, max=len(SCOPES)),
    )
    models = fields.List(
        fields.String(metadata={"pattern": whole(MODEL_PATTERN)}),
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=1000),
        metadata={
            "minItems": 1,
            "description": "Model names, with the wildcards * and ?; null: all models.",
        },
    )
    expires_at = fields.AwareDateTime(
        format="iso",
        load_default=None,
        allow_none=True,
        validate=in_utc,
        metadata={"description": "A time in the future."},
    )


class TokenSchema(ma.Schema):
    id = fields.Integer()
    name = fields.String()
    kind = fields.String(metadata={"enum": list(KINDS)})
    scopes = fields.List(fields.String(metadata={"enum": list(SCOPES)}))
    models = fields.List(fields.String(), allow_none=True)
    created_at = fields.String(metadata={"format": "date-time"})
    created_by = fields.String()
    expires_at = fields.String(allow_none=True, metadata={"format": "date-time"})
    revoked_at = fields.String(allow_none=True, metadata={"format": "date-time"})
    last_used_at = fields.String(
        allow_none=True,
        metadata={
            "format": "date-time",
            "description": "Its last use; a later one up to five minutes ago may not be noted yet.",
        },
    )


class MadeTokenSchema(TokenSchema):
    token = fields.String(metadata={"description": "Shown only in this response."})


TokenPageSchema = page_of(TokenSchema, "TokenPage")
