"""A model: what is live and what was, the metric of its versions, its versions and its history."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from api.access import allows
from api.sessions import db
from api.worker_reports import worker_reports
from console.charts.metric import MOST_POINTS, Figure, MetricChart, metric_chart
from console.charts.timeline import Timeline, timeline
from console.fresh import fragment, model_state
from console.noise import Difference, difference
from console.queries import choice_in_query, main_metric, metrics_in_order, number_in_query
from console.rendering import page, render
from console.traffic import after_change
from registry.errors import VersionNotFound
from registry.names import LATEST, PRODUCTION
from registry.reading.alias_moves import tenures
from registry.reading.live_versions import (
    Bounds,
    bounds_of,
    live_versions,
    newest_figures,
    newest_ready,
    with_trail,
)
from registry.reading.pages import Page, Paging
from registry.reading.queries import find_model, find_version, latest_events, list_versions
from registry.reading.views import View, model_view, version_view
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
    model = model_view(find_model(session, name))
    live = _live(session, name)
    production = _of_alias(live, PRODUCTION)
    newest = _newest(session, name)
    example = production or newest
    names = metrics_in_order(example["task"], example["metrics"]) if example else []
    metric = next((one for one in (request.args.get("metric"), *names) if one in names), None)
    shown = sorted(names, key=lambda one: one != metric)[:_SHOWN_METRICS]
    paging = Paging(number_in_query("page"), PAGE_SIZE)
    versions = _versions(session, name, paging)
    return page(
        "model.html",
        model=model,
        live=live,
        production=production,
        candidate=_candidate(session, name, production),
        change=after_change(session, name),
        newest=newest,
        metric=metric,
        metrics=names,
        shown_metrics=shown,
        versions=versions,
        paging=paging,
        rows=_rows(session, name, versions, metric, production),
        statuses=STATUSES,
        timeline=_timeline(session, name),
        ranges=RANGES,
        chart=_chart(session, name, metric, production),
        events=latest_events(session, name, _SHOWN_EVENTS),
    )


@blueprint.route("/models/<name>/aliases", methods=["GET"])
@allows("any")
def show_live(name: str) -> Response:
    """The part of the model's page that changes by itself: what is live, and what may follow."""
    session = db.session()
    find_model(session, name)

    def draw() -> str:
        live = _live(session, name)
        production = _of_alias(live, PRODUCTION)
        return render(
            "model_live.html",
            model=model_view(find_model(session, name)),
            live=live,
            production=production,
            candidate=_candidate(session, name, production),
            change=after_change(session, name),
            newest=_newest(session, name),
        )

    return fragment(model_state(session, name), draw)


def _live(session: Session, name: str) -> list[View]:
    """The aliases of the model, with the version that each can go back to."""
    live = live_versions(session, [name]).get(name, [])
    return [
        {
            **with_trail(session, name, one),
            "metric": main_metric(one["task"], one["metrics"]),
        }
        for one in worker_reports().add_loaded_in(name, live)
    ]


def _of_alias(live: Sequence[View], alias: str) -> View | None:
    return next((one for one in live if one["alias"] == alias), None)


def _newest(session: Session, name: str) -> View | None:
    """The newest version that is ready."""
    try:
        return version_view(find_version(session, name, LATEST))
    except VersionNotFound:
        return None


def _candidate(session: Session, name: str, production: View | None) -> View | None:
    """The newest ready version, if it is newer than the live one, and how it differs from it."""
    number = newest_ready(session, [name]).get(name)
    if production is None or number is None or number <= production["version"]:
        return None
    view = version_view(find_version(session, name, str(number)))
    bounds = bounds_of(session, [(name, number)])[name, number]
    found = _difference(production["metric"], view, bounds, production)
    return {"version": number, "metric": production["metric"], "difference": found}


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
        row["difference"] = _difference(metric, item, known, live)
        rows.append(row)
    return rows


def _difference(
    metric: str | None, version: View, bounds: Bounds, live: View | None
) -> Difference | None:
    if metric is None or live is None or version["version"] == live["version"]:
        return None
    figure, champion = version["metrics"].get(metric), live["metrics"].get(metric)
    if figure is None or champion is None:
        return None
    return difference(metric, figure, champion, bounds.intervals.get(metric))


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
