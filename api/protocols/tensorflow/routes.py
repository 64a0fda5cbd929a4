"""The routes of TensorFlow Serving and KServe V1. Predictions are answered by an endpoint."""

from flask import Flask, Response, jsonify

from api.access import allows
from api.blueprints import Blueprint
from api.callers import Callers
from api.fast_path import TENSORFLOW
from api.predictions import answered_by, attach_endpoint
from api.protocols.served import SERVED, served_models
from api.protocols.tensorflow import schemas
from api.protocols.tensorflow.descriptions import metadata_of, status_of, version_status
from api.protocols.tensorflow.endpoint import TensorflowEndpoint
from api.services import services
from api.version_endpoint import Endpoint
from registry.errors import NotOffered
from registry.names import PRODUCTION
from registry.watching.predictions import NoPredictionCounts, PredictionCounts

PREFIX = "/v1"

blueprint = Blueprint(
    "tensorflow",
    __name__,
    description="TensorFlow Serving and KServe V1",
    produces=None,
)

_KEY = "hotswap-tensorflow"
_MODEL = f"{PREFIX}/models/<segment:name>"


@blueprint.route(f"{PREFIX}/models", methods=["GET"])
@allows("predict")
@blueprint.response(200, SERVED)
def list_served() -> Response:
    """List the models that have a version in production and that the token covers."""
    return jsonify(models=served_models())


@blueprint.route(_MODEL, methods=["GET"])
@allows("predict", anonymous=True)
@blueprint.response(200, schemas.STATUS)
def get_status(name: str) -> Response:
    """Show the versions that an alias points at, the newest first; 404 or 503 where the version in
    production does not answer."""
    watch = services().watch
    model = watch.resolve(name, PRODUCTION).version.model
    numbers = watch.snapshot().aliased_of(model)
    failed, missing = watch.unloadable(), set(watch.missing())
    versions = []
    for number in sorted(numbers, reverse=True):
        key = model, number
        if key in failed:
            versions.append(version_status(number, "END", failed[key].detail))
        else:
            state = "LOADING" if key in missing else "AVAILABLE"
            versions.append(version_status(number, state))
    return jsonify(status_of(model, versions))


@blueprint.route(f"{_MODEL}/versions/<segment:version>", methods=["GET"])
@blueprint.route(f"{_MODEL}/labels/<segment:version>", methods=["GET"])
@allows("predict", anonymous=True)
@blueprint.response(200, schemas.STATUS)
def get_version_status(name: str, version: str) -> Response:
    """Show that a version can predict; 404 where there is none, 503 where it cannot."""
    loaded = services().watch.resolve(name, version).version
    return jsonify(status_of(loaded.model, [version_status(loaded.number)]))


@blueprint.route(f"{_MODEL}/metadata", methods=["GET"])
@blueprint.route(f"{_MODEL}/versions/<segment:version>/metadata", methods=["GET"])
@blueprint.route(f"{_MODEL}/labels/<segment:version>/metadata", methods=["GET"])
@allows("predict")
@blueprint.response(200, schemas.METADATA)
def get_signature(name: str, version: str = PRODUCTION) -> Response:
    """Show the inputs and the output of a version; without one, of that in production."""
    return jsonify(metadata_of(services().watch.resolve(name, version).version))


@blueprint.route(TENSORFLOW[0], methods=["POST"])
@blueprint.route(TENSORFLOW[1], methods=["POST"])
@blueprint.route(TENSORFLOW[2], methods=["POST"])
@allows("predict", anonymous=True, counts=True)
@blueprint.doc(**schemas.PREDICT)
@blueprint.response(200, schemas.PREDICTED)
def post_predict(name: str, version: str = PRODUCTION) -> Response:
    """Predict with a version; without one, with that in production."""
    return answered_by(_KEY, name, version)


@blueprint.route(f"{PREFIX}/models/<name>:<verb:verb>", methods=["POST"])
@blueprint.route(f"{PREFIX}/models/<name>/versions/<version:version>:<verb:verb>", methods=["POST"])
@blueprint.route(f"{PREFIX}/models/<name>/labels/<version:version>:<verb:verb>", methods=["POST"])
@allows("predict")
@blueprint.response(200, {"type": "object"})
def post_other_verb(name: str, verb: str, version: str = PRODUCTION) -> Response:  # noqa: ARG001 - the routes have them
    """Never offered: 400."""
    raise NotOffered(f":{verb} is not offered: send the rows to :predict.")


def attach_tensorflow(
    app: Flask, callers: Callers, counts: PredictionCounts | NoPredictionCounts
) -> dict[str, Endpoint]:
    """Make the endpoint of ``app`` that its routes of ``:predict`` call, by their routes."""
    return dict.fromkeys(
        TENSORFLOW, attach_endpoint(app, callers, counts, TensorflowEndpoint, _KEY)
    )
