"""The models, with what is live of each."""

from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from api.access import allows, grant
from api.sessions import db
from console.fresh import live_page, service_state
from console.queries import main_metric, number_in_query
from console.rendering import is_fragment
from console.traffic import ModelTraffic, traffic_of_models
from registry.reading.live_versions import live_versions, newest_ready
from registry.reading.pages import Paging
from registry.reading.queries import list_models
from registry.reading.views import View

blueprint = Blueprint("models", __name__)

PAGE_SIZE = 50


@blueprint.route("/models", methods=["GET"])
@allows("any")
def index() -> Response:
    """List the models that the token covers, by name."""
    session = db.session()
    template = "models_list.html" if is_fragment() else "models.html"
    return live_page(lambda: service_state(session), template, lambda: _values(session))


def _values(session: Session) -> dict[str, Any]:
    text, tag = request.args.get("q", "").strip(), request.args.get("tag", "").strip()
    paging = Paging(number_in_query("page"), PAGE_SIZE)
    found = list_models(session, grant(), paging, text=text or None, tag=tag or None)
    names = [model["name"] for model in found["items"]]
    live, newest = live_versions(session, names), newest_ready(session, names)
    traffic = traffic_of_models(session, names)
    rows = [
        _row(model, live.get(model["name"], []), newest, traffic.get(model["name"]))
        for model in found["items"]
    ]
    return {"rows": rows, "found": found, "text": text, "tag": tag, "paging": paging}


def _row(
    model: View, live: list[View], newest: dict[str, int], traffic: ModelTraffic | None
) -> View:
    production = next((one for one in live if one["alias"] == "production"), None)
    shown = production or (live[0] if live else None)
    waiting = newest.get(model["name"], 0)
    metric = main_metric(shown["task"], shown["metrics"]) if shown else None
    return {
        "model": model,
        "live": shown,
        "metric": metric,
        "traffic": traffic,
        "waiting": waiting if waiting > (shown["version"] if shown else 0) else None,
    }
