"""Webhooks: where events are sent, what became of each message, and sending one again."""

from typing import Any

import marshmallow as ma
from flask import Blueprint, Response, redirect, url_for
from marshmallow import validate
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from api.access import allows, grant
from api.problems import status_of
from api.services import services
from api.sessions import db
from api.webhooks import allowed_addresses, delivery_number, webhook_keys, webhook_number
from console.forms.submitted import Form, submitted
from console.fresh import live_page, service_state
from console.headers import keep_uncompressed
from console.queries import choice_in_query, number_in_query
from console.rendering import page
from registry.errors import Conflict, Refused
from registry.operations.change_webhook import change_webhook
from registry.operations.create_webhook import create_webhook
from registry.operations.delete_webhook import delete_webhook
from registry.operations.request_delivery import request_resend, request_test
from registry.operations.rotate_webhook import rotate_webhook
from registry.reading.pages import Paging
from registry.reading.views import View
from registry.reading.webhooks import find_webhook, list_deliveries, list_webhooks, webhook_view
from registry.storage.webhook_tables import DELIVERY_STATES, DeliveryRow

blueprint = Blueprint("webhooks", __name__)

PAGE_SIZE = 50


class NewWebhookForm(ma.Schema):
    url = ma.fields.String(required=True, validate=validate.Length(min=1, max=2000))
    events = ma.fields.String(required=True, validate=validate.Length(min=1, max=2000))
    models = ma.fields.String(load_default="", validate=validate.Length(max=10_000))


@blueprint.route("/webhooks", methods=["GET"])
@allows("admin")
def show() -> Response:
    """List the webhooks."""
    session = db.session()
    return live_page(
        lambda: f"{service_state(session)} {_last_delivery(session)}",
        "webhooks.html",
        lambda: _list(session),
    )


@blueprint.route("/webhooks/new", methods=["GET"])
@allows("admin")
def show_new() -> Response:
    """The form of a new webhook."""
    return page("webhook_new.html", form=Form())


@blueprint.route("/webhooks/new", methods=["POST"])
@allows("admin")
def create() -> Response:
    """Create a webhook, and show its secret this once."""
    form = submitted(NewWebhookForm)
    if not form.is_valid:
        return page("webhook_new.html", 422, form=form)
    try:
        made = create_webhook(
            services().database,
            webhook_keys(),
            allowed_addresses(),
            form.values["url"],
            _patterns(form.values["events"]),
            actor=grant().name,
            models=_patterns(form.values["models"]) or None,
        )
    except (Conflict, Refused) as error:
        refused = form.refused(error.detail, error.faults)
        return page("webhook_new.html", status_of(type(error)), form=refused)
    return _made_page(made)


@blueprint.route("/webhooks/<webhook_id>", methods=["GET"])
@allows("admin")
def show_one(webhook_id: str) -> Response:
    """Show a webhook and its deliveries."""
    session, number = db.session(), webhook_number(webhook_id)
    return live_page(
        lambda: f"{service_state(session)} {_last_delivery(session, number)}",
        "webhook.html",
        lambda: _values(session, number),
    )


@blueprint.route("/webhooks/<webhook_id>/test", methods=["POST"])
@allows("admin")
def send_test(webhook_id: str) -> AnyResponse:
    """Have a message sent that says nothing happened."""
    request_test(services().database, webhook_number(webhook_id))
    return _to_webhook(webhook_id)


@blueprint.route("/webhooks/<webhook_id>/deliveries/<delivery_id>/retry", methods=["POST"])
@allows("admin")
def send_again(webhook_id: str, delivery_id: str) -> AnyResponse:
    """Have a message sent again, with the same id."""
    number = webhook_number(webhook_id)
    request_resend(services().database, number, delivery_number(webhook_id, delivery_id))
    return _to_webhook(webhook_id)


@blueprint.route("/webhooks/<webhook_id>/rotate", methods=["POST"])
@allows("admin")
def rotate(webhook_id: str) -> Response:
    """Replace the secret, and show the new one this once."""
    number = webhook_number(webhook_id)
    made = rotate_webhook(services().database, webhook_keys(), number, actor=grant().name)
    return _made_page(made)


@blueprint.route("/webhooks/<webhook_id>/enable", methods=["POST"])
@allows("admin")
def enable(webhook_id: str) -> AnyResponse:
    """Enable the webhook."""
    return _switched(webhook_id, enabled=True)


@blueprint.route("/webhooks/<webhook_id>/disable", methods=["POST"])
@allows("admin")
def disable(webhook_id: str) -> AnyResponse:
    """Disable the webhook: it receives nothing until it is enabled."""
    return _switched(webhook_id, enabled=False)


@blueprint.route("/webhooks/<webhook_id>/delete", methods=["POST"])
@allows("admin")
def delete(webhook_id: str) -> AnyResponse:
    """Delete the webhook and the list of its messages."""
    delete_webhook(services().database, webhook_number(webhook_id), actor=grant().name)
    return redirect(url_for("console.webhooks.show"), 303)


def _switched(webhook_id: str, *, enabled: bool) -> AnyResponse:
    number = webhook_number(webhook_id)
    change_webhook(
        services().database, allowed_addresses(), number, actor=grant().name, enabled=enabled
    )
    return _to_webhook(webhook_id)


def _to_webhook(webhook_id: str) -> AnyResponse:
    return redirect(url_for("console.webhooks.show_one", webhook_id=webhook_id), 303)


def _made_page(made: View) -> Response:
    keep_uncompressed()
    return page("webhook_made.html", made=made)


def _list(session: Session) -> dict[str, Any]:
    paging = Paging(number_in_query("page"), PAGE_SIZE)
    return {"found": list_webhooks(session, paging), "paging": paging}


def _values(session: Session, number: int) -> dict[str, Any]:
    state = choice_in_query("state", ("", *DELIVERY_STATES))
    paging = Paging(number_in_query("page"), PAGE_SIZE)
    return {
        "webhook": webhook_view(find_webhook(session, number)),
        "found": list_deliveries(session, number, paging, state or None),
        "paging": paging,
        "chosen_state": state,
        "states": ("", *DELIVERY_STATES),
    }


def _last_delivery(session: Session, number: int | None = None) -> str:
    """Changes with each attempt to send a message."""
    query = select(func.max(DeliveryRow.id), func.max(DeliveryRow.last_at), func.count())
    if number is not None:
        query = query.where(DeliveryRow.webhook_id == number)
    waiting = query.where(DeliveryRow.state == "waiting")
    return f"{session.execute(query).one()} {session.execute(waiting).one()}"


def _patterns(text: str) -> list[str]:
    """Patterns as people separate them: by commas, spaces or lines."""
    return text.replace(",", " ").split()
