"""The routes of the scoring protocol. Predictions are answered by an endpoint, not by views."""

from functools import partial

from flask import Flask, Response

from api.access import allows
from api.blueprints import Blueprint
from api.callers import Callers
from api.fast_path import INVOCATIONS, SCORE
from api.health import pong, require_ready
from api.predictions import answered_by, attach_endpoint
from api.protocols.scoring import schemas
from api.protocols.scoring.endpoint import InvocationsEndpoint, ScoringEndpoint
from api.services import services
from api.version_endpoint import Endpoint
from registry.errors import Malformed, NotFound, NotServed, Unavailable, VersionNotReady
from registry.names import PRODUCTION
from registry.watching.predictions import NoPredictionCounts, PredictionCounts

blueprint = Blueprint("scoring", __name__, description="MLflow's scoring protocol", produces=None)

_SCORE_KEY = "hotswap-score"
_INVOCATIONS_KEY = "hotswap-invocations"


@blueprint.route(INVOCATIONS, methods=["POST"])
@allows("predict", anonymous=True, counts=True)
@blueprint.doc(**schemas.SCORE)
@blueprint.response(200, schemas.SCORED)
@blueprint.alt_response(200, **schemas.LINES)
def post_invocations() -> Response:
    """Predict with the model that HOTSWAP_INVOCATIONS_MODEL names."""
    return answered_by(_INVOCATIONS_KEY, "", "")


@blueprint.route("/models/<name>/invocations", methods=["POST"])
@blueprint.route("/models/<name>/<version:version>/invocations", methods=["POST"])
@allows("predict", anonymous=True, counts=True)
@blueprint.doc(**schemas.SCORE)
@blueprint.response(200, schemas.SCORED)
@blueprint.alt_response(200, **schemas.LINES)
def post_score(name: str, version: str = PRODUCTION) -> Response:
    """Predict with a version, by its number, an alias or 'latest'; without one, with that in
    production."""
    return answered_by(_SCORE_KEY, name, version)


@blueprint.route("/ping", methods=["GET"])
@allows("public")
@blueprint.response(200, schemas.PONG, content_type="text/plain")
def ping() -> Response:
    """Answer 200 when this worker can take traffic, and HOTSWAP_INVOCATIONS_MODEL can answer."""
    require_ready()
    if served := services().settings.invocations_model:
        model, _, reference = served.partition("/")
        _require_answers(model, reference or PRODUCTION)
    return pong()


@blueprint.route("/models/<name>/ping", methods=["GET"])
@blueprint.route("/models/<name>/<version:version>/ping", methods=["GET"])
@blueprint.route("/models/<name>/<version:version>/health", methods=["GET"])
@allows("public")
@blueprint.response(200, schemas.PONG, content_type="text/plain")
def ping_version(name: str, version: str = PRODUCTION) -> Response:
    """Answer 200 when a version can predict; 404 where there is none, 503 where it cannot."""
    _require_answers(name, version)
    return pong()


def _require_answers(model: str, reference: str) -> None:
    """Raises NotServed or Unavailable. Anybody may ask, so neither says more than that."""
    try:
        services().watch.check_usable(model, reference)
    except (NotFound, Malformed) as error:
        raise NotServed("No such version is served.") from error
    except (Unavailable, VersionNotReady) as error:
        raise Unavailable("The version cannot answer now.") from error


def attach_scoring(
    app: Flask, callers: Callers, counts: PredictionCounts | NoPredictionCounts
) -> dict[str, Endpoint]:
    """Make the endpoints of ``app`` that its scoring routes call, by their routes."""
    with app.app_context():
        served = services().settings.invocations_model
    score = attach_endpoint(app, callers, counts, ScoringEndpoint, _SCORE_KEY)
    kind = partial(InvocationsEndpoint, served=served)
    invocations = attach_endpoint(app, callers, counts, kind, _INVOCATIONS_KEY)
    return {**dict.fromkeys(SCORE, score), INVOCATIONS: invocations}
