"""Schemas of models and their history."""

import marshmallow as ma
from marshmallow import fields, validate

from api.schemas.bases import PagingSchema, StrictSchema, page_of
from api.schemas.fields import (
    baseline_field,
    intervals_field,
    tag_in_query,
    tags_field,
    text,
    whole,
)
from api.schemas.promotions import split_field
from registry.gates.grammar import ENGINES
from registry.names import MODEL_NAME
from registry.signature import KINDS, TASKS
from registry.stored_text import MAX_DESCRIPTION
from registry.watching.model_list import MODEL_SORTS


class ModelQuerySchema(PagingSchema):
    q = text(1_000, metadata={"description": "Part of the name, case-insensitive."})
    tag = tag_in_query()
    sort = text(
        20,
        pattern=rf"^(-?({'|'.join(MODEL_SORTS)}))?$",
        metadata={
            "description": "name; updated: by the last event; requests: by the number of "
            "predictions in this hour and the one before; failures: by the part of them that "
            "failed. A leading '-' reverses it.",
            "example": "-updated",
        },
    )
    include = fields.String(
        validate=validate.OneOf(("live",)),
        metadata={
            "description": "live: add what each alias points at, since when, by whom and why, and "
            "the newest version that is ready."
        },
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


class LiveVersionSchema(ma.Schema):
    """An alias, its last move, and the version that it points at."""

    alias = fields.String()
    version = fields.Integer()
    split = split_field()
    kind = fields.String(metadata={"enum": list(KINDS)})
    task = fields.String(metadata={"enum": list(TASKS)})
    engine = fields.String(metadata={"enum": list(ENGINES)})
    since = fields.String(allow_none=True, metadata={"format": "date-time"})
    by = fields.String(allow_none=True)
    reason = fields.String(allow_none=True)
    forced = fields.Boolean(metadata={"description": "It was moved although gates failed."})
    rolled_back = fields.Boolean(metadata={"description": "It was moved by a rollback."})
    metrics = fields.Dict(keys=fields.String(), values=fields.Float())
    metric_intervals = intervals_field()
    baseline = baseline_field()
    rollback_to = fields.Integer(
        allow_none=True,
        metadata={"description": "What a rollback would point it at; null: nothing."},
    )


class ListedModelSchema(ModelSchema):
    live = fields.List(
        fields.Nested(LiveVersionSchema),
        metadata={"description": "The aliases, by name; only with include=live."},
    )
    newest_ready = fields.Integer(
        allow_none=True,
        metadata={
            "description": "The highest version that is ready; null: none. Only with include=live."
        },
    )


ModelPageSchema = page_of(ListedModelSchema, "ModelPage")


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
