"""A model: what is live and what was, the metric of its versions, its versions and its history."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from api.access import allows
from api.sessions import db
from console.charts.metric import MOST_POINTS, Figure, MetricChart, metric_chart
from console.charts.timeline import Timeline, timeline
from console.fresh import fragment, live_page, model_state
from console.pages.model_live import difference_to_live, live_part
from console.queries import choice_in_query, metrics_in_order, number_in_query
from console.rendering import render
from registry.names import PRODUCTION
from registry.reading.alias_moves import tenures
from registry.reading.events import last_event
from registry.reading.live_versions import bounds_of, newest_figures
from registry.reading.pages import LARGEST_NUMBER, Page, Paging
from registry.reading.queries import find_model, latest_events, list_versions
from registry.reading.views import View
from registry.storage.tables import STATUSES, utc_now

blueprint = Blueprint("model", __name__)

PAGE_SIZE = 50
RANGES = ("30d", "24h", "7d", "all")
_LENGTHS = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_FIRST_TIME = datetime(1, 1, 1, tzinfo=UTC)
_SHOWN_METRICS = 3
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
    paging = Paging(number_in_query("page"), PAGE_SIZE)
    versions = _versions(session, name, paging)
    return {
        "metric": metric,
        "metrics": names,
        "shown_metrics": sorted(names, key=lambda one: one != metric)[:_SHOWN_METRICS],
        "versions": versions,
        "paging": paging,
        "rows": _rows(session, name, versions, metric, production),
        "statuses": STATUSES,
        "timeline": _timeline(session, name),
        "ranges": RANGES,
        "chart": _chart(session, name, metric, production),
        "events": latest_events(session, name, _SHOWN_EVENTS),
        **live,
    }


def _versions(session: Session, name: str, paging: Paging) -> Page:
    status = request.args.get("status") or None
    sort = request.args.get("sort") or None
    return list_versions(session, name, paging, sort=sort, status=status)


def _rows(
    session: Session, name: str, versions: Page, metric: str | None, live: View | None
) -> list[View]:
    """The versions of a page, each with its intervals and its difference to the live one."""
    bounds = bounds_of(session, [(name, item["version"]) for item in versions["items"]])
    rows = []
    for item in versions["items"]:
        known = bounds[name, item["version"]]
        row: dict[str, Any] = {**item, "metric_intervals": known.intervals}
        row["difference"] = difference_to_live(metric, item, known, live)
        rows.append(row)
    return rows


def _timeline(session: Session, name: str) -> Timeline | None:
    """What production pointed at in the range of the URL; None if it never existed."""
    now = utc_now()
    range_ = choice_in_query("range", RANGES)
    after = now - _LENGTHS[range_] if range_ in _LENGTHS else None
    found = tenures(session, name, PRODUCTION, after)
    if not found:
        return None
    return timeline(found, max(after or _FIRST_TIME, found[0].since), now)


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
