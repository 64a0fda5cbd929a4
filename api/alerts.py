"""Alerts."""

from typing import Any

from api.access import allows, grant
from api.arguments import paging_of
from api.blueprints import Blueprint
from api.schemas.alerts import (
    AlertPageSchema,
    AlertQuerySchema,
    AlertSchema,
    ModelAlertQuerySchema,
)
from api.services import services
from api.sessions import db
from registry.errors import AlertNotFound
from registry.operations.see_alert import see_alert
from registry.reading.alerts import AlertFilter, alerts_of, list_alerts
from registry.reading.pages import Page
from registry.reading.views import View

blueprint = Blueprint("alerts", __name__, description="Alerts")

EXAMPLE = {
    "id": 7,
    "kind": "held",
    "model": "housing",
    "alias": "production",
    "version": 4,
    "subject": "production",
    "message": "Version 4 waits at 5 %: 'faults <= champion * 2 + 0.5%' is undecided.",
    "evidence": {"weight": 5, "requests": 2210, "faults": 9},
    "opened_at": "2026-11-23T06:00:00.000Z",
    "closed_at": None,
    "seen_at": None,
    "seen_by": None,
}


@blueprint.route("/alerts", methods=["GET"])
@allows("any")
@blueprint.arguments(AlertQuerySchema, location="query")
@blueprint.response(200, AlertPageSchema)
def list_all_alerts(query: dict[str, Any]) -> Page:
    """List the alerts of all models that the token covers, newest first.

    Tokens for all models also get those of the server.
    """
    return list_alerts(db.session(), grant(), _filter(query), paging_of(query))


@blueprint.route("/models/<name>/watch/alerts", methods=["GET"])
@allows("any")
@blueprint.arguments(ModelAlertQuerySchema, location="query")
@blueprint.response(200, AlertPageSchema)
def list_model_alerts(query: dict[str, Any], name: str) -> Page:
    """List a model's alerts, newest first."""
    return alerts_of(db.session(), grant(), name, _filter(query), paging_of(query))


@blueprint.route("/alerts/<alert_id>/seen", methods=["POST"])
@allows("promote", checks_model=True)
@blueprint.response(200, AlertSchema, example=EXAMPLE | {"seen_by": "ann"})
def post_seen(alert_id: str) -> View:
    """Note that the alert was seen. It stays open as long as its cause holds."""
    return see_alert(services().database, alert_number(alert_id), grant())


def alert_number(alert_id: str) -> int:
    """The id in a URL. Raises AlertNotFound."""
    if not (alert_id.isascii() and alert_id.isdigit() and len(alert_id) <= 9):
        raise AlertNotFound(alert_id)
    return int(alert_id)


def _filter(query: dict[str, Any]) -> AlertFilter:
    return AlertFilter(query.get("model"), query.get("kind"), query.get("is_open"))
