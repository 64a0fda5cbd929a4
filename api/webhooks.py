"""Webhooks."""

from typing import Any

from flask import Response

from api.access import allows, grant
from api.arguments import paging_of
from api.blueprints import Blueprint
from api.schemas.bases import PagingSchema
from api.schemas.webhooks import (
    ChangedWebhookSchema,
    DeliveryPageSchema,
    DeliveryQuerySchema,
    DeliverySchema,
    MadeWebhookSchema,
    NewWebhookSchema,
    WebhookPageSchema,
    WebhookSchema,
)
from api.services import services
from api.sessions import db
from config import parse_webhook_allow
from registry.deliveries.addresses import Allowed
from registry.deliveries.key_file import NAME, KeyFile
from registry.errors import DeliveryNotFound, WebhookNotFound
from registry.operations.change_webhook import change_webhook
from registry.operations.create_webhook import create_webhook
from registry.operations.delete_webhook import delete_webhook
from registry.operations.request_delivery import request_resend, request_test
from registry.operations.rotate_webhook import rotate_webhook
from registry.reading.pages import Page
from registry.reading.views import View
from registry.reading.webhooks import find_webhook, list_deliveries, list_webhooks, webhook_view

blueprint = Blueprint("webhooks", __name__, description="Webhooks")

EXAMPLE = {
    "id": 3,
    "url": "https://hooks.example.com/models",
    "events": ["promoted", "rollout.*", "alert.*"],
    "models": ["housing*"],
    "enabled": True,
    "disabled_at": None,
    "disabled_why": None,
    "failing_since": None,
    "previous_secret_until": None,
    "created_at": "2026-11-23T06:00:00.000Z",
    "created_by": "ann",
}
MADE = EXAMPLE | {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="}
DELIVERY = {
    "id": 41,
    "message_id": "msg_8f1c0d6a3be94b6f9a1d2c3e4f506172",
    "event": "promoted",
    "seq": 118,
    "model": "housing",
    "state": "waiting",
    "attempts": 1,
    "created_at": "2026-11-23T06:00:00.000Z",
    "next_at": "2026-11-23T06:00:05.413Z",
    "last_at": "2026-11-23T06:00:00.204Z",
    "last_status": 503,
    "last_error": None,
}


@blueprint.route("/webhooks", methods=["GET"])
@allows("admin")
@blueprint.arguments(PagingSchema, location="query")
@blueprint.response(200, WebhookPageSchema)
def get_webhooks(query: dict[str, Any]) -> Page:
    """List the webhooks, newest first, without their secrets."""
    return list_webhooks(db.session(), paging_of(query))


@blueprint.route("/webhooks", methods=["POST"])
@allows("admin")
@blueprint.arguments(NewWebhookSchema)
@blueprint.response(201, MadeWebhookSchema, example=MADE)
def post_webhook(body: dict[str, Any]) -> View:
    """Create a webhook. Its secret is shown only in this response.

    It receives the events that are recorded afterwards.
    """
    return create_webhook(
        services().database, webhook_keys(), allowed_addresses(), actor=grant().name, **body
    )


@blueprint.route("/webhooks/<webhook_id>", methods=["GET"])
@allows("admin")
@blueprint.response(200, WebhookSchema, example=EXAMPLE)
def get_webhook(webhook_id: str) -> View:
    """Show a webhook, without its secret."""
    return webhook_view(find_webhook(db.session(), webhook_number(webhook_id)))


@blueprint.route("/webhooks/<webhook_id>", methods=["PATCH"])
@allows("admin")
@blueprint.arguments(ChangedWebhookSchema)
@blueprint.response(200, WebhookSchema, example=EXAMPLE)
def patch_webhook(body: dict[str, Any], webhook_id: str) -> View:
    """Change a webhook, disable or enable it. Its secret stays."""
    number = webhook_number(webhook_id)
    return change_webhook(
        services().database, allowed_addresses(), number, actor=grant().name, **body
    )


@blueprint.route("/webhooks/<webhook_id>", methods=["DELETE"])
@allows("admin")
@blueprint.response(204)
def remove_webhook(webhook_id: str) -> Response:
    """Delete a webhook and the list of its messages."""
    delete_webhook(services().database, webhook_number(webhook_id), actor=grant().name)
    return Response(status=204)


@blueprint.route("/webhooks/<webhook_id>/rotate", methods=["POST"])
@allows("admin")
@blueprint.response(200, MadeWebhookSchema, example=MADE)
def post_webhook_rotation(webhook_id: str) -> View:
    """Give a webhook a new secret, which is shown only in this response.

    For 24 hours its messages have a signature with each of the two secrets.
    """
    number = webhook_number(webhook_id)
    return rotate_webhook(services().database, webhook_keys(), number, actor=grant().name)


@blueprint.route("/webhooks/<webhook_id>/test", methods=["POST"])
@allows("admin")
@blueprint.response(202, DeliverySchema, example=DELIVERY)
def post_webhook_test(webhook_id: str) -> View:
    """Send a message of the type webhook.test soon. Its outcome is among the deliveries."""
    return request_test(services().database, webhook_number(webhook_id))


@blueprint.route("/webhooks/<webhook_id>/deliveries", methods=["GET"])
@allows("admin")
@blueprint.arguments(DeliveryQuerySchema, location="query")
@blueprint.response(200, DeliveryPageSchema)
def get_deliveries(query: dict[str, Any], webhook_id: str) -> Page:
    """List the messages to a webhook, newest first. They are kept for 30 days."""
    number = webhook_number(webhook_id)
    return list_deliveries(db.session(), number, paging_of(query), query.get("state"))


@blueprint.route("/webhooks/<webhook_id>/deliveries/<delivery_id>/retry", methods=["POST"])
@allows("admin")
@blueprint.response(202, DeliverySchema, example=DELIVERY)
def post_retry(webhook_id: str, delivery_id: str) -> View:
    """Send a message again soon, with the same id, whatever became of it before."""
    number = webhook_number(webhook_id)
    return request_resend(services().database, number, delivery_number(webhook_id, delivery_id))


def webhook_number(webhook_id: str) -> int:
    """The id in a URL. Raises WebhookNotFound."""
    if not _is_number(webhook_id):
        raise WebhookNotFound(webhook_id)
    return int(webhook_id)


def delivery_number(webhook_id: str, delivery_id: str) -> int:
    """The id of a delivery in a URL. Raises DeliveryNotFound."""
    if not _is_number(delivery_id):
        raise DeliveryNotFound(webhook_id, delivery_id)
    return int(delivery_id)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


def webhook_keys() -> KeyFile:
    """The file with the key from which the secrets are computed."""
    return KeyFile(services().settings.data / NAME)


def allowed_addresses() -> Allowed:
    """The addresses that the settings allow besides public ones."""
    return Allowed(*parse_webhook_allow(services().settings.webhook_allow))
