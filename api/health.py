"""Whether the process runs, whether it can take traffic, and which release it is."""

from importlib.metadata import version

from flask import Response, jsonify, request

from api.access import allows
from api.blueprints import Blueprint
from api.problems import slug_of
from api.services import services
from registry.errors import Draining, NotReady
from registry.storage.schema import HEAD

blueprint = Blueprint("health", __name__, description="Health of the service", answers=None)

_STATUS = {"type": "object", "properties": {"status": {"type": "string"}}}
_READY = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"type": "string"},
        "unloadable": {
            "type": "array",
            "description": "Versions that an alias points at and that this worker cannot load; "
            "they answer 503, and `reason` is the last part of that problem's type.",
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
@blueprint.response(200, _READY)
def readyz() -> Response:
    """This worker can take traffic; 503 and why where it cannot.

    It can as soon as everything is loaded that can be; the body names what cannot.
    """
    if request.environ.get(DRAINING):
        raise Draining
    if missing := services().watch.missing():
        raise NotReady(missing)
    unloadable = [
        {"model": model, "version": number, "reason": slug_of(type(error))}
        for (model, number), error in services().watch.unloadable().items()
    ]
    return jsonify(status="ready", unloadable=unloadable) if unloadable else jsonify(status="ready")


@blueprint.route("/version", methods=["GET"])
@allows("public")
@blueprint.response(200, _VERSION)
def get_release() -> Response:
    """The release of the service, and of its database's schema."""
    return jsonify(version=RELEASE, schema=HEAD)
