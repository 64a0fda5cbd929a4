"""Schemas of the history of all models and tokens."""

from typing import get_args

import marshmallow as ma
from marshmallow import fields, validate

from api.schemas.bases import MAX_PAGE_SIZE, PlainSchema
from api.schemas.fields import QueryNumber, in_utc, text
from api.schemas.models import EventSchema
from registry.reading.pages import LARGEST_NUMBER
from registry.storage.history import EventType

EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)


def _moment(name: str, attribute: str, description: str) -> fields.AwareDateTime:
    return fields.AwareDateTime(
        format="iso",
        data_key=name,
        attribute=attribute,
        validate=in_utc,
        metadata={"description": description},
    )


class HistoryQuerySchema(ma.Schema):
    model = text(128, metadata={"description": "Of this model."})
    type = fields.String(validate=validate.OneOf(EVENT_TYPES))
    actor = text(200, metadata={"description": "By the token of this name."})
    alias = text(128, metadata={"description": "Of this alias."})
    since = _moment("from", "since", "At this time or later.")
    until = _moment("to", "until", "Earlier than this time.")
    before = QueryNumber(
        validate=validate.Range(1, LARGEST_NUMBER),
        metadata={"description": "Earlier than the event of this number: a page's 'next'."},
    )
    page_size = QueryNumber(load_default=50, validate=validate.Range(1, MAX_PAGE_SIZE))


class ModelEventSchema(EventSchema):
    model = fields.String(allow_none=True, metadata={"description": "null: an event of a token."})


class HistoryPageSchema(PlainSchema):
    items = fields.List(fields.Nested(ModelEventSchema))
    page_size = fields.Integer()
    next = fields.String(
        allow_none=True,
        metadata={"description": "'before' of the next page; null on the last page."},
    )


class HistoryHeadSchema(ma.Schema):
    seq = fields.Integer(metadata={"description": "The number of the last event."})
    hash = fields.String(metadata={"description": "Its hash, which covers all events."})
    verified_seq = fields.Integer(
        allow_none=True,
        metadata={"description": "The last check found the events up to this one intact."},
    )
    verified_at = fields.String(
        allow_none=True,
        metadata={"format": "date-time", "description": "The time of the last check."},
    )
    fully_verified_at = fields.String(
        allow_none=True,
        metadata={
            "format": "date-time",
            "description": "When all events were verified; later checks verify what was added.",
        },
    )
    broken_seq = fields.Integer(
        allow_none=True,
        metadata={"description": "The first event that the last check found wrong or missing."},
    )
