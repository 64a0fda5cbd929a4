"""Whether the process runs, whether it can take traffic, and which release it is."""

from importlib.metadata import version

from flask import Response, jsonify, request

from api.access import allows
from api.blueprints import Blueprint
from api.services import services
from registry.errors import Draining, NotReady
from registry.schema import HEAD

blueprint = Blueprint("health", __name__, description="Health of the service", answers=None)

_STATUS = {"type": "object", "properties": {"status": {"type": "string"}}}
_VERSION = {
    "type": "object",
    "properties": {"version": {"type": "string"}, "schema": {"type": "string"}},
}
RELEASE = version("hotswap")

DRAINING = "hotswap.draining"
"""Whether the service is about to stop, in a request's WSGI environment; our own server sets it."""


@blueprint.route("/livez", methods=["GET"])
@allows("public")
@blueprint.response(200, _STATUS)
def livez() -> Response:
    """The process runs. Touches nothing else."""
    return jsonify(status="alive")


@blueprint.route("/readyz", methods=["GET"])
@allows("public")
@blueprint.response(200, _STATUS)
def readyz() -> Response:
    """This worker can take traffic; 503 and why where it cannot."""
    if request.environ.get(DRAINING):
        raise Draining
    if missing := services().watch.missing():
        raise NotReady(missing)
    return jsonify(status="ready")


@blueprint.route("/version", methods=["GET"])
@allows("public")
@blueprint.response(200, _VERSION)
def get_release() -> Response:
    """The release of the service, and of its database's schema."""
    return jsonify(version=RELEASE, schema=HEAD)
