"""Schemas of webhooks and of the messages to them."""

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from api.schemas.bases import PagingSchema, PlainSchema, StrictSchema, page_of
from api.schemas.fields import Flag, text, whole
from registry.deliveries.patterns import EVENT_PATTERN
from registry.deliveries.urls import LONGEST_URL
from registry.operations.create_token import MODEL_PATTERN
from registry.operations.webhook_checks import MOST_PATTERNS
from registry.storage.webhook_tables import DELIVERY_STATES


def _url(**options: Any) -> fields.String:
    return text(
        LONGEST_URL,
        pattern="^https?://",
        metadata={
            "description": "Where messages are sent by POST: https, and an address on the internet,"
            " unless HOTSWAP_WEBHOOK_ALLOW names it. Without a user name or a password."
        },
        **options,
    )


def _events(**options: Any) -> "fields.List[str]":
    return fields.List(
        fields.String(metadata={"pattern": whole(EVENT_PATTERN)}),
        validate=validate.Length(max=MOST_PATTERNS),
        metadata={
            "minItems": 1,
            "description": "Names of events, with the wildcards * and ?: 'promoted', 'rollout.*'.",
        },
        **options,
    )


def _models(**options: Any) -> "fields.List[str]":
    return fields.List(
        fields.String(metadata={"pattern": whole(MODEL_PATTERN)}),
        allow_none=True,
        validate=validate.Length(max=MOST_PATTERNS),
        metadata={
            "minItems": 1,
            "description": "Model names, with the wildcards * and ?; null: all models, and events"
            " without a model.",
        },
        **options,
    )


class NewWebhookSchema(StrictSchema):
    url = _url(required=True)
    events = _events(required=True)
    models = _models(load_default=None)


class ChangedWebhookSchema(StrictSchema):
    url = _url()
    events = _events()
    models = _models()
    enabled = Flag(
        metadata={"description": "false: nothing is sent; what happens meanwhile is never sent."}
    )


class WebhookSchema(ma.Schema):
    id = fields.Integer()
    url = fields.String()
    events = fields.List(fields.String())
    models = fields.List(fields.String(), allow_none=True)
    enabled = fields.Boolean()
    disabled_at = fields.String(allow_none=True, metadata={"format": "date-time"})
    disabled_why = fields.String(allow_none=True)
    failing_since = fields.String(
        allow_none=True,
        metadata={
            "format": "date-time",
            "description": "The first failure since the last success or pause.",
        },
    )
    previous_secret_until = fields.String(
        allow_none=True,
        metadata={
            "format": "date-time",
            "description": "Until then messages are also signed with the secret before the last"
            " rotation.",
        },
    )
    created_at = fields.String(metadata={"format": "date-time"})
    created_by = fields.String()


class MadeWebhookSchema(WebhookSchema):
    secret = fields.String(metadata={"description": "Shown only in this response."})


WebhookPageSchema = page_of(WebhookSchema, "WebhookPage")


class DeliveryQuerySchema(PagingSchema):
    state = fields.String(validate=validate.OneOf(DELIVERY_STATES))


class DeliverySchema(PlainSchema):
    id = fields.Integer()
    message_id = fields.String(
        metadata={"description": "The header webhook-id, the same whenever it is sent."}
    )
    event = fields.String()
    seq = fields.Integer(
        allow_none=True, metadata={"description": "The event in the history; null: a test."}
    )
    model = fields.String(allow_none=True)
    state = fields.String(metadata={"enum": list(DELIVERY_STATES)})
    attempts = fields.Integer()
    created_at = fields.String(metadata={"format": "date-time"})
    next_at = fields.String(
        allow_none=True,
        metadata={"format": "date-time", "description": "The next attempt, if it is waiting."},
    )
    last_at = fields.String(allow_none=True, metadata={"format": "date-time"})
    last_status = fields.Integer(
        allow_none=True, metadata={"description": "The status of the last answer."}
    )
    last_error = fields.String(allow_none=True)


DeliveryPageSchema = page_of(DeliverySchema, "DeliveryPage")
