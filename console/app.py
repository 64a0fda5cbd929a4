"""Adds the console to an application."""

from flask import Blueprint, Flask, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from api.access import allows, recognise_by
from api.negotiation import JSON
from console.assets import asset_response
from console.errors import handle_errors
from console.headers import finish
from console.pages.alerts import blueprint as alerts
from console.pages.archive import blueprint as archive
from console.pages.compare import blueprint as compare
from console.pages.describe import blueprint as describe
from console.pages.gates import blueprint as gates
from console.pages.health import blueprint as health
from console.pages.history import blueprint as history
from console.pages.link import blueprint as link
from console.pages.model import blueprint as model
from console.pages.models import blueprint as models
from console.pages.plot_files import blueprint as plot_files
from console.pages.promote import blueprint as promote
from console.pages.rollback import blueprint as rollback
from console.pages.rollout import blueprint as rollout
from console.pages.sign_in import blueprint as sign_in
from console.pages.start_rollout import blueprint as start_rollout
from console.pages.tokens import blueprint as tokens
from console.pages.trying import blueprint as trying
from console.pages.upload import blueprint as upload
from console.pages.version import blueprint as version
from console.pages.webhooks import blueprint as webhooks
from console.session import recognise_session

PAGES = (
    sign_in,
    link,
    models,
    model,
    version,
    plot_files,
    describe,
    archive,
    upload,
    trying,
    history,
    alerts,
    health,
    promote,
    rollback,
    start_rollout,
    rollout,
    tokens,
    webhooks,
    compare,
    gates,
)
"""A page of its own has a blueprint of its own here."""

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def add_console(app: Flask) -> None:
    """Serve the console of ``app`` under ``/console``. To be called before the first request."""
    console = Blueprint("console", __name__, url_prefix="/console")
    recognise_by(app, console.name, recognise_session)
    handle_errors(console)
    console.after_request(finish)
    for page in PAGES:
        console.register_blueprint(page)
    console.add_url_rule("/", "home", _home)
    console.add_url_rule("/static/<digest>/<path:name>", "get_asset", _get_asset)
    # So that an unknown address is answered with a page.
    console.add_url_rule("/<path:address>", "unknown", _unknown, methods=_METHODS)
    app.register_blueprint(console)
    app.before_request(_lead_browsers)


@allows("any")
def _home() -> Response:
    return redirect(url_for("console.models.index"), 303)


def _lead_browsers() -> Response | None:
    """The address of the service in a browser leads to the console; programs get its status."""
    if request.url_rule is None or request.url_rule.rule != "/":
        return None
    if request.accept_mimetypes.best_match([JSON, "text/html"]) != "text/html":
        return None
    return redirect(url_for("console.home"), 303)


@allows("public")
def _get_asset(digest: str, name: str) -> Response:
    return asset_response(digest, name)


@allows("any")
def _unknown(address: str) -> Response:
    raise NotFound(f"The console has no page {address[:200]!r}.")
