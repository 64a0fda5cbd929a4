"""Alerts: what somebody should look at, and who has."""

from typing import Any

from flask import Blueprint, Response, redirect, request, url_for
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from api.access import allows, grant
from api.alerts import alert_number
from api.services import services
from api.sessions import db
from console.fresh import live_page, service_state
from console.queries import choice_in_query, number_in_query
from registry.operations.see_alert import see_alert
from registry.reading.alerts import AlertFilter, list_alerts
from registry.reading.pages import Paging
from registry.storage.alert_tables import ALERT_KINDS, AlertRow

blueprint = Blueprint("alerts", __name__)

PAGE_SIZE = 50
STATES = ("open", "closed", "all")
_IS_OPEN = {"open": True, "closed": False, "all": None}


@blueprint.route("/alerts", methods=["GET"])
@allows("any")
def show() -> Response:
    """List the alerts, the open ones by default."""
    session = db.session()
    return live_page(
        lambda: f"{service_state(session)} {_last_seen(session)}",
        "alerts.html",
        lambda: _values(session),
    )


@blueprint.route("/alerts/<alert_id>/seen", methods=["POST"])
@allows("promote", checks_model=True)
def note_seen(alert_id: str) -> AnyResponse:
    """Note that the visitor has seen the alert; it stays open."""
    see_alert(services().database, alert_number(alert_id), grant())
    state = choice_in_query("state", STATES)
    return redirect(url_for("console.alerts.show", state=state), 303)


def _last_seen(session: Session) -> Any:
    return session.scalar(select(func.max(AlertRow.seen_at)))


def _values(session: Session) -> dict[str, Any]:
    state = choice_in_query("state", STATES)
    kind = choice_in_query("kind", ("", *ALERT_KINDS))
    model = request.args.get("model", "").strip().replace("\0", "")
    paging = Paging(number_in_query("page"), PAGE_SIZE)
    wanted = AlertFilter(model or None, kind or None, _IS_OPEN[state])
    found = list_alerts(session, grant(), wanted, paging)
    return {
        "found": found,
        "paging": paging,
        "chosen_state": state,
        "states": STATES,
        "kinds": ALERT_KINDS,
        "kind": kind,
        "model": model,
    }
