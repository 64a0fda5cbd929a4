"""The routes of the Open Inference Protocol. All but ``infer`` are ordinary views."""

from flask import Flask, Response, jsonify, request

from api.access import allows, grant
from api.blueprints import Blueprint
from api.callers import Callers
from api.health import DRAINING
from api.predictions import answered_by, attach_endpoint
from api.protocols.open_inference import schemas
from api.protocols.open_inference.bodies import read_parameters
from api.protocols.open_inference.descriptions import config_of, index_entry, metadata_of
from api.protocols.open_inference.infer import BINARY, InferEndpoint
from api.protocols.open_inference.statistics import statistics_of, used_versions
from api.protocols.served import SERVED, served_models
from api.release import RELEASE
from api.services import services
from api.sessions import db
from api.telemetry import prediction_totals
from api.version_endpoint import Endpoint
from registry.errors import Draining, NotOffered, NotReady
from registry.live.pool import LoadedVersion
from registry.names import PRODUCTION
from registry.reading.queries import find_usable_version
from registry.reading.ready_versions import ready_keys, ready_numbers
from registry.watching.predictions import NoPredictionCounts, PredictionCounts

PREFIX = "/v2"
EXTENSIONS = (
    "binary_tensor_data",
    "model_repository",
    "model_configuration",
    "statistics",
    "classification",
)

blueprint = Blueprint(
    "open-inference",
    __name__,
    description="Open Inference Protocol v2",
    url_prefix=PREFIX,
    produces=None,
)

_KEY = "hotswap-infer"


@blueprint.route("", methods=["GET"])
@allows("predict", anonymous=True)
@blueprint.response(200, schemas.SERVER)
def get_server() -> Response:
    """Show the name, the release and the extensions of the server."""
    return jsonify(name="hotswap", version=RELEASE, extensions=EXTENSIONS)


@blueprint.route("/health/live", methods=["GET"])
@allows("public")
@blueprint.response(200, schemas.LIVE)
def get_live() -> Response:
    """Answer while the process runs."""
    return jsonify(live=True)


@blueprint.route("/health/ready", methods=["GET"])
@allows("public")
@blueprint.response(200, schemas.READY)
@blueprint.alt_response(503, schema=schemas.NOT_READY, description="Not ready")
def get_ready() -> Response | tuple[Response, int, dict[str, str]]:
    """Answer 200 when this worker can take traffic, otherwise 503, as /readyz does."""
    missing = services().watch.missing()
    if not missing and DRAINING not in request.environ:
        return jsonify(ready=True)
    error = NotReady(missing) if missing else Draining()
    retry = {"Retry-After": str(error.retry_after)}
    return jsonify(error=error.detail, ready=False), 503, retry


@blueprint.route("/models", methods=["GET"])
@allows("predict")
@blueprint.response(200, SERVED)
def list_served_models() -> Response:
    """List the models that have a version in production and that the token covers."""
    return jsonify(models=served_models())


def _loaded(name: str, version: str | None) -> LoadedVersion:
    return services().watch.resolve(name, version or PRODUCTION)


@blueprint.route("/models/<name>", methods=["GET"])
@blueprint.route("/models/<name>/versions/<version:version>", methods=["GET"])
@allows("predict", anonymous=True)
@blueprint.response(200, schemas.METADATA)
def get_metadata(name: str, version: str | None = None) -> Response:
    """Show the inputs and outputs of a version; without one, of that in production."""
    loaded = _loaded(name, version)
    return jsonify(metadata_of(loaded, ready_numbers(db.session(), loaded.version.model)))


@blueprint.route("/models/<name>/config", methods=["GET"])
@blueprint.route("/models/<name>/versions/<version:version>/config", methods=["GET"])
@allows("predict", anonymous=True)
@blueprint.response(200, schemas.CONFIG)
def get_config(name: str, version: str | None = None) -> Response:
    """Show the inputs and outputs of a version as Triton configures them."""
    return jsonify(config_of(_loaded(name, version)))


@blueprint.route("/models/<name>/ready", methods=["GET"])
@blueprint.route("/models/<name>/versions/<version:version>/ready", methods=["GET"])
@allows("predict", anonymous=True)
@blueprint.response(200, schemas.MODEL_READY)
def get_model_ready(name: str, version: str | None = None) -> Response:
    """Answer 200 when a version can predict; 404 where there is none, 503 where it cannot."""
    return jsonify(name=_loaded(name, version).version.model, ready=True)


@blueprint.route("/models/stats", methods=["GET"])
@allows("predict")
@blueprint.response(200, schemas.STATISTICS)
def list_statistics() -> Response:
    """Show the predictions of the versions that an alias points at and of others that were
    requested, by all workers since the server started."""
    totals, aliased = prediction_totals(), services().watch.snapshot().aliased
    keys = [key for key in used_versions(totals) | aliased if grant().covers(key[0])]
    return jsonify(model_stats=statistics_of(totals, sorted(keys)))


@blueprint.route("/models/<name>/stats", methods=["GET"])
@allows("predict")
@blueprint.response(200, schemas.STATISTICS)
def get_model_statistics(name: str) -> Response:
    """Show the predictions of the version in production, then those of the other versions of the
    model that an alias points at or that were requested."""
    first = find_usable_version(db.session(), name, PRODUCTION)
    production = first.model, first.number
    totals, aliased = prediction_totals(), services().watch.snapshot().aliased
    others = {key for key in used_versions(totals) | aliased if key[0] == first.model}
    keys = [production, *sorted(others - {production})]
    return jsonify(model_stats=statistics_of(totals, keys))


@blueprint.route("/models/<name>/versions/<version:version>/stats", methods=["GET"])
@allows("predict")
@blueprint.response(200, schemas.STATISTICS)
def get_statistics(name: str, version: str) -> Response:
    """Show the predictions of a version."""
    found = find_usable_version(db.session(), name, version)
    key = found.model, found.number
    return jsonify(model_stats=statistics_of(prediction_totals(), [key]))


@blueprint.route("/models/<name>/infer", methods=["POST"])
@allows("predict", anonymous=True, counts=True)
@blueprint.doc(**schemas.INFER)
@blueprint.response(200, schemas.INFERRED)
@blueprint.alt_response(200, schema={"type": "string"}, content_type=BINARY, success=True)
def post_infer_production(name: str) -> Response:
    """Predict tensors with the version in production."""
    return answered_by(_KEY, name, PRODUCTION)


@blueprint.route("/models/<name>/versions/<version:version>/infer", methods=["POST"])
@allows("predict", anonymous=True, counts=True)
@blueprint.doc(**schemas.INFER)
@blueprint.response(200, schemas.INFERRED)
@blueprint.alt_response(200, schema={"type": "string"}, content_type=BINARY, success=True)
def post_infer(name: str, version: str) -> Response:
    """Predict tensors with a version, by its number, an alias or 'latest'."""
    return answered_by(_KEY, name, version)


@blueprint.route("/repository/index", methods=["POST"])
@allows("predict")
@blueprint.doc(**schemas.INDEX_BODY)
@blueprint.response(200, schemas.INDEX)
def post_index() -> Response:
    """List the versions that an alias points at; unless only those that are ready are required,
    also the other ready versions."""
    only_ready = read_parameters().ready
    watch = services().watch
    aliased, unloadable = watch.snapshot().aliased, watch.unloadable()
    entries = [
        index_entry(key, unloadable[key].detail if key in unloadable else "")
        for key in sorted(aliased)
        if grant().covers(key[0]) and not (only_ready and key in unloadable)
    ]
    if not only_ready:
        others = [key for key in ready_keys(db.session(), grant()) if key not in aliased]
        entries += [index_entry(key, "no alias points at it") for key in others]
    return jsonify(entries)


@blueprint.route("/repository/models/<name>/load", methods=["POST"])
@allows("predict")
@blueprint.doc(**schemas.LOAD_BODY)
@blueprint.response(200, schemas.NOTHING)
def post_load(name: str) -> Response:
    """Check that the version in production is loaded, which it always is. Changes nothing."""
    for given in read_parameters().parameters:
        if given == "config" or given.startswith("file:"):
            raise NotOffered(f"parameters[{given!r}] is not offered: upload a version.")
    _loaded(name, None)
    return jsonify({})


@blueprint.route("/repository/models/<name>/unload", methods=["POST"])
@allows("predict")
@blueprint.response(200, schemas.NOTHING)
def post_unload(name: str) -> Response:  # noqa: ARG001 - the route has it
    """Never done: 400."""
    raise NotOffered(
        "A version is not unloaded while an alias points at it: delete the alias, or archive the "
        "version."
    )


@blueprint.route("/systemsharedmemory/<path:call>", methods=["GET", "POST"])
@blueprint.route("/cudasharedmemory/<path:call>", methods=["GET", "POST"])
@allows("predict")
@blueprint.response(200, schemas.NOTHING)
def shared_memory(call: str) -> Response:  # noqa: ARG001 - the route has it
    """Never offered: 400."""
    raise NotOffered("Shared memory is not offered: send the tensors in the body.")


@blueprint.route("/trace/setting", methods=["GET", "POST"])
@blueprint.route("/models/<name>/trace/setting", methods=["GET", "POST"])
@allows("predict")
@blueprint.response(200, schemas.NOTHING)
def trace_setting(name: str | None = None) -> Response:  # noqa: ARG001 - one of the routes has it
    """Never offered: 400."""
    raise NotOffered("Trace settings are not offered: an operator sets HOTSWAP_TRACES.")


@blueprint.route("/logging", methods=["GET", "POST"])
@allows("predict")
@blueprint.response(200, schemas.NOTHING)
def logging() -> Response:
    """Never offered: 400."""
    raise NotOffered("Log settings are not offered: an operator sets HOTSWAP_LOG_LEVEL.")


def attach_infer(
    app: Flask, callers: Callers, counts: PredictionCounts | NoPredictionCounts
) -> Endpoint:
    """Make the endpoint of ``app`` that its routes of ``infer`` call."""
    return attach_endpoint(app, callers, counts, InferEndpoint, _KEY)
