"""Health checks, and the release of the service."""

from contextlib import suppress
from typing import Any

from flask import Flask, Response, jsonify, request

from api.access import allows, grant, is_probe
from api.blueprints import Blueprint
from api.health_report import findings, full_report, summary_of, summary_view
from api.problems import slug_of
from api.release import RELEASE
from api.schemas.health import HealthSchema
from api.services import services
from api.telemetry import current_telemetry
from api.worker_reports import worker_reports
from registry.errors import Draining, NotReady, Unavailable
from registry.storage.schema import HEAD

blueprint = Blueprint("health", __name__, description="Health of the service", produces=None)

_STATUS = {"type": "object", "properties": {"status": {"type": "string"}}}
_READY = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"type": "string"},
        "unloadable": {
            "type": "array",
            "description": "Versions that an alias points at and that this worker cannot load. "
            "They answer 503; `reason` is the last part of that problem's type.",
            "items": {
                "type": "object",
                "required": ["model", "version", "reason"],
                "properties": {
                    "model": {"type": "string"},
                    "version": {"type": "integer"},
                    "reason": {"type": "string"},
                },
            },
        },
    },
}
_VERSION = {
    "type": "object",
    "required": ["version", "schema"],
    "properties": {
        "version": {"type": "string"},
        "schema": {"type": "string"},
        "public_url": {
            "type": "string",
            "description": "The URL of the service for users (HOTSWAP_PUBLIC_URL), if it is set.",
        },
    },
}

DRAINING = "hotswap.draining"
"""Set in a request's WSGI environment by ``hotswap serve`` when the service is stopping."""


def is_ready(app: Flask) -> bool:
    """Whether this worker has loaded every version that an alias points at and that can be loaded.

    False while the database cannot be read.
    """
    with app.app_context(), suppress(Unavailable):
        return not services().watch.missing()
    return False


def require_ready() -> None:
    """Raises NotReady or Draining where this worker cannot take traffic."""
    if request.environ.get(DRAINING):
        raise Draining
    if missing := services().watch.missing():
        raise NotReady(missing)


def pong() -> Response:
    """The answer to a probe of MLflow's scoring protocol."""
    return Response("\n", content_type="text/plain; charset=utf-8")


@blueprint.route("/", methods=["GET"])
@blueprint.route("/livez", methods=["GET"])
@allows("public")
@blueprint.response(200, _STATUS)
def livez() -> Response:
    """Answer while the process runs. Accesses nothing else.

    Clients of KServe's protocol V1 request `/`, where browsers are redirected to the console.
    """
    return jsonify(status="alive")


@blueprint.route("/readyz", methods=["GET"])
@allows("public")
@blueprint.response(200, _READY)
def readyz() -> Response:
    """Answer 200 when this worker can take traffic, otherwise 503 with the reason.

    It is ready when every version that can be loaded is loaded; the body lists those that cannot.
    """
    require_ready()
    unloadable = [
        {"model": model, "version": number, "reason": slug_of(type(error))}
        for (model, number), error in services().watch.unloadable().items()
    ]
    return jsonify(status="ready", unloadable=unloadable) if unloadable else jsonify(status="ready")


@blueprint.route("/health", methods=["GET"])
@allows("any", probed=True)
@blueprint.response(200, HealthSchema)
@blueprint.alt_response(200, schema={"type": "string"}, content_type="text/plain", success=True)
def get_health() -> dict[str, Any] | Response:
    """Show whether the service is well; for a token with the scope 'admin', in full.

    Always answered with 200: `status` is 'warning' or 'fault' if something is wrong. In contrast to
    `/readyz`, it covers all workers of this server. A probe, which sends no token and does not
    accept JSON by name, gets an empty line, or 503 where `/readyz` answers so.
    """
    if is_probe(request.environ):
        require_ready()
        return pong()
    release = {"version": RELEASE, "schema": HEAD}
    if grant().has_scope("admin") and grant().models is None:
        report = full_report(services(), worker_reports(), current_telemetry().folder)
        report["findings"] = findings(services())
    else:
        settings, workers = services().settings, worker_reports().all()
        report = summary_view(summary_of(workers, settings))
    return {**report, **release}


@blueprint.route("/version", methods=["GET"])
@allows("public")
@blueprint.response(200, _VERSION)
def get_release() -> Response:
    """Show the release of the service, the version of its database schema and its public URL."""
    public_url = services().settings.public_url
    return jsonify(
        version=RELEASE, schema=HEAD, **({"public_url": public_url} if public_url else {})
    )
