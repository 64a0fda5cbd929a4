"""Whether the service is well: workers, loaded versions, storage, and what the doctor found."""

import json
from typing import Any

from flask import Blueprint, Response

from api.access import allows, grant
from api.health_report import findings, full_report, summary_of, summary_view
from api.services import services
from api.sessions import db
from api.telemetry import current_telemetry
from api.worker_reports import worker_reports
from console.frame import LEVELS, administers_all, broken_event, health
from console.fresh import fragment, live_page, service_state
from console.rendering import render
from console.traffic import busiest_models
from registry.reading.views import View
from registry.storage.schema import HEAD

blueprint = Blueprint("health", __name__)

MOST_VERSIONS = 100
MOST_MODELS = 20
_KEPT = ("alias", "previous", "cache")


@blueprint.route("/health", methods=["GET"])
@allows("any")
def show() -> Response:
    """Show the health of the service, in full to whoever administers all models."""
    report = _report()
    return live_page(
        lambda: f"{json.dumps(report)} {service_state(db.session())}",
        "health.html",
        lambda: _values(report),
    )


@blueprint.route("/health/state", methods=["GET"])
@allows("any")
def show_state() -> Response:
    """The state of the service in words, which every page polls."""
    return fragment(f"{health()} {broken_event()}", lambda: render("state.html"))


def _report() -> View:
    if administers_all(grant()):
        return full_report(services(), worker_reports(), current_telemetry().folder)
    settings = services().settings
    return summary_view(summary_of(worker_reports().all(), settings))


def _values(report: View) -> dict[str, Any]:
    versions = _versions(report.get("worker_reports", ()))
    traffic = busiest_models(db.session(), MOST_MODELS) if "worker_reports" in report else []
    return {
        "findings": findings(services()) if administers_all(grant()) else [],
        "report": report,
        "traffic": traffic,
        "levels": LEVELS,
        "schema": HEAD,
        "versions": versions[:MOST_VERSIONS],
        "versions_left_out": max(0, len(versions) - MOST_VERSIONS),
    }


def _versions(workers: Any) -> list[View]:
    """Each version that a worker has loaded or should have: in how many workers, and why; missing
    ones first, then live ones."""
    found: dict[tuple[str, int], View] = {}
    for worker in workers:
        for one in (*worker["unloaded"], *worker["loaded"]):
            version = found.setdefault(
                (one["model"], one["version"]),
                {**one, "loaded_in": 0, "reasons": set(), "last_used_at": ""},
            )
            if "reason" in one:
                version["reasons"].add(one["reason"])
                continue
            version["loaded_in"] += 1
            version["bytes"] = one["bytes"]
            version["kept"] = one["kept"]
            version["last_used_at"] = max(one["last_used_at"], version["last_used_at"])
    return sorted(found.values(), key=_order)


def _order(version: View) -> tuple[bool, int, str, int]:
    kept = _KEPT.index(version.get("kept", "alias"))
    return not version["reasons"], kept, version["model"], version["version"]
