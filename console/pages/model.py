"""A model: what is live and what was, the metric of its versions, its versions and its history."""

from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from api.access import allows
from api.sessions import db
from console.charts.metric import MOST_POINTS, Figure, MetricChart, metric_chart
from console.fresh import fragment, live_page, model_state
from console.pages.model_live import live_part
from console.pages.model_past import past
from console.pages.model_versions import versions_table
from console.queries import metrics_in_order, number_in_query
from console.rendering import render
from registry.reading.events import last_event
from registry.reading.live_versions import bounds_of, newest_figures
from registry.reading.pages import LARGEST_NUMBER
from registry.reading.queries import find_model, latest_events
from registry.reading.views import View

blueprint = Blueprint("model", __name__)

_SHOWN_EVENTS = 7


@blueprint.route("/models/<name>", methods=["GET"])
@allows("any")
def show(name: str) -> Response:
    """Show a model."""
    session = db.session()
    return live_page(
        lambda: model_state(session, name), "model.html", lambda: _values(session, name)
    )


@blueprint.route("/models/<name>/news", methods=["GET"])
@allows("any")
def show_news(name: str) -> Response:
    """What happened to the model after the event that the query names."""
    session = db.session()
    find_model(session, name)
    after = number_in_query("after", 0, least=0, most=LARGEST_NUMBER)

    def draw() -> str:
        newest = latest_events(session, name, _SHOWN_EVENTS)
        return render(
            "news.html",
            model=name,
            after=after,
            events=[event for event in newest if event["seq"] > after],
        )

    return fragment(str(last_event(session, name)), draw)


def _values(session: Session, name: str) -> dict[str, Any]:
    live = live_part(session, name)
    production = live["production"]
    example = production or live["newest"]
    names = metrics_in_order(example["task"], example["metrics"]) if example else []
    metric = next((one for one in (request.args.get("metric"), *names) if one in names), None)
    return {
        "metric": metric,
        "metrics": names,
        "chart": _chart(session, name, metric, production),
        "events": latest_events(session, name, _SHOWN_EVENTS),
        **past(session, name),
        **versions_table(session, name, names, metric, production),
        **live,
    }


def _chart(
    session: Session, name: str, metric: str | None, live: View | None
) -> MetricChart | None:
    """The metric of the newest versions; None if none of them has it."""
    if metric is None:
        return None
    values = newest_figures(session, name, metric, MOST_POINTS)
    bounds = bounds_of(session, [(name, number) for number in values])
    figures = [
        Figure(
            number=number,
            value=value,
            interval=bounds[name, number].intervals.get(metric),
            is_live=live is not None and number == live["version"],
        )
        for number, value in values.items()
    ]
    baseline = None if live is None else live["baseline"].get(metric)
    return metric_chart(figures, baseline) if figures else None
