"""Schemas of models and their history."""

import marshmallow as ma
from marshmallow import fields

from api.schemas.bases import PagingSchema, StrictSchema, page_of
from api.schemas.fields import tags_field, text, whole
from registry.names import MODEL_NAME
from registry.stored_text import MAX_DESCRIPTION


class ModelQuerySchema(PagingSchema):
    q = text(1_000, metadata={"description": "Part of the name, case-insensitive."})
    tag = text(
        1_201,
        pattern=r"^([^\u0000:]*:[^\u0000]*)?$",
        metadata={"description": "key:value"},
    )


class NewModelSchema(StrictSchema):
    name = fields.String(required=True, metadata={"pattern": whole(MODEL_NAME)})
    description = text(MAX_DESCRIPTION, load_default="")
    tags = tags_field(load_default=dict)


class ChangeSchema(StrictSchema):
    """A change of description and tags. Omitted fields keep their value; ``tags`` replaces all."""

    description = text(MAX_DESCRIPTION)
    tags = tags_field()


class ModelSchema(ma.Schema):
    name = fields.String()
    description = fields.String()
    tags = fields.Dict(keys=fields.String(), values=fields.String())
    aliases = fields.Dict(keys=fields.String(), values=fields.Integer())
    status = fields.String(metadata={"enum": ["active", "archived"]})
    last_version = fields.Integer(allow_none=True)
    generation = fields.Integer(
        metadata={"description": "Increases whenever an alias of the model moves."}
    )
    created_at = fields.String(metadata={"format": "date-time"})
    created_by = fields.String()


ModelPageSchema = page_of(ModelSchema, "ModelPage")


class EventSchema(ma.Schema):
    seq = fields.Integer()
    at = fields.String(metadata={"format": "date-time"})
    type = fields.String()
    actor = fields.String()
    reason = fields.String(allow_none=True)
    alias = fields.String(allow_none=True)
    from_version = fields.Integer(allow_none=True)
    to_version = fields.Integer(allow_none=True)
    details = fields.Dict(keys=fields.String())
    hash = fields.String()


EventPageSchema = page_of(EventSchema, "EventPage")
