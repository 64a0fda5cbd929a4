"""The models, with what is live of each: those that need attention first."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from api.access import allows, grant
from api.sessions import db
from api.worker_reports import worker_reports
from console.formats import plural, share
from console.fresh import live_page, service_state
from console.queries import choice_in_query, main_metric, number_in_query
from console.rendering import is_fragment
from console.traffic import ModelTraffic, traffic_of_models
from registry.reading.live_versions import live_versions, newest_ready
from registry.reading.pages import Paging
from registry.reading.views import View
from registry.watching.model_list import recent_predictions, sorted_models

blueprint = Blueprint("models", __name__)

PAGE_SIZE = 50
SORTS = {
    "name": "name",
    "-updated": "last change",
    "-requests": "traffic",
    "-failures": "errors",
}
MOST_FAILED = 0.01
"""The part of the requests of a model that may fail before it needs attention."""


class Row(NamedTuple):
    """A model. ``live``: production, else its first alias; ``waiting``: its newest ready version if
    that is newer; ``troubles``: why it needs attention."""

    model: View
    live: View | None
    metric: str | None
    traffic: ModelTraffic | None
    waiting: int | None
    troubles: list[str]


@blueprint.route("/models", methods=["GET"])
@allows("any")
def index() -> Response:
    """List the models that the token covers; those that need attention come first."""
    session = db.session()
    template = "models_list.html" if is_fragment() else "models.html"
    return live_page(lambda: service_state(session), template, lambda: _values(session))


def _values(session: Session) -> dict[str, Any]:
    text, tag = request.args.get("q", "").strip(), request.args.get("tag", "").strip()
    sort = choice_in_query("sort", tuple(SORTS))
    paging = Paging(number_in_query("page"), PAGE_SIZE)
    troubles = _troubles(session)
    found = sorted_models(
        session,
        grant(),
        paging,
        sort=sort,
        text=text or None,
        tag=tag or None,
        first=troubles.keys(),
    )
    names = [model["name"] for model in found["items"]]
    live, newest = live_versions(session, names), newest_ready(session, names)
    traffic = traffic_of_models(session, names)
    rows = [
        _row(model, live.get(model["name"], []), newest, traffic, troubles)
        for model in found["items"]
    ]
    return {
        "rows": rows,
        "found": found,
        "text": text,
        "tag": tag,
        "sort": sort,
        "sorts": SORTS,
        "paging": paging,
    }


def _row(
    model: View,
    live: list[View],
    newest: Mapping[str, int],
    traffic: Mapping[str, ModelTraffic],
    troubles: Mapping[str, list[str]],
) -> Row:
    name = model["name"]
    production = next((one for one in live if one["alias"] == "production"), None)
    shown = production or (live[0] if live else None)
    waiting = newest.get(name, 0)
    return Row(
        model,
        shown,
        main_metric(shown["task"], shown["metrics"]) if shown else None,
        traffic.get(name),
        waiting if waiting > (shown["version"] if shown else 0) else None,
        troubles.get(name, []),
    )


def _troubles(session: Session) -> dict[str, list[str]]:
    """By model, why it needs attention; without the models that are well."""
    found: dict[str, list[str]] = {}
    reports = worker_reports().all()
    missing = [(one.model, one.version) for report in reports for one in report.unloaded]
    for model, version in sorted(set(missing)):
        inside = f"{missing.count((model, version))} of {plural(len(reports), 'worker')}"
        found.setdefault(model, []).append(f"v{version} is missing in {inside}")
    for model, figures in recent_predictions(session).items():
        failed = figures.failed_share
        if failed is not None and failed > MOST_FAILED:
            found.setdefault(model, []).append(f"{share(failed)} of its requests fail")
    return found
