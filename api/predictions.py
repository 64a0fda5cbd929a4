"""The Flask routes of the prediction endpoint."""

from collections.abc import Callable
from typing import cast

from flask import Flask, Response, current_app, g, request

from api.access import allows
from api.blueprints import Blueprint
from api.callers import Callers
from api.predict import PredictionEndpoint
from api.problems import CONTENT_TYPE
from api.services import services
from api.unconfirmed_endpoint import UnconfirmedEndpoint
from api.version_endpoint import Endpoint, VersionEndpoint
from config import Settings
from registry.codecs.requests import ARROW, CSV, REQUEST_TYPES
from registry.names import PRODUCTION
from registry.watching.predictions import NoPredictionCounts, PredictionCounts

blueprint = Blueprint("predictions", __name__, description="Predictions", produces=None)

_KEY = "hotswap-predictions"
_RECORD = {
    "type": "object",
    "minProperties": 1,
    "description": "One record, or rows under one of the known keys. The columns, their types and "
    "how each is written are those of the version's `signature.inputs`.",
}
_TEXT = {"type": "string", "minLength": 1}
_VALUE = {"type": ["number", "string", "boolean"]}
_PREDICTED = {"anyOf": [_VALUE, {"type": "array", "items": _VALUE}]}
_BY_CLASS = {"type": "object", "additionalProperties": {"type": "number"}}
_PREDICTION = {
    "type": "object",
    "required": ["model", "version"],
    "properties": {
        "model": {"type": "string"},
        "version": {"type": "integer"},
        "prediction": {
            **_PREDICTED,
            "description": "For a body that is one record or one row: a number or a label; a list "
            "of `signature.output.size` of them if the signature has a size.",
        },
        "predictions": {
            "type": "array",
            "items": _PREDICTED,
            "description": "For other bodies, one for each row.",
        },
        "probabilities": {
            "anyOf": [_BY_CLASS, {"type": "array", "items": _BY_CLASS}],
            "description": "A mapping from class to probability for each row.",
        },
        "score": {"type": "number", "description": "The score of a single row."},
        "scores": {
            "type": "array",
            "items": {"type": "number"},
            "description": "The score of each row.",
        },
    },
}
_CSV = {
    "type": "string",
    "description": "A line for each row, in UTF-8 (RFC 4180): `prediction`, which is JSON where it "
    "is a list, then `probability_<class>` or `score`. Texts are not changed, also where a "
    "spreadsheet would calculate them.",
}
_CSV_EXAMPLE = "prediction,probability_cheap,probability_dear\r\ncheap,0.75,0.25\r\n"
_DOCUMENTED = {
    "parameters": [
        {
            "in": "query",
            "name": "probabilities",
            "schema": {"type": "boolean", "default": False},
            "description": "Add a probability for each class: `probabilities`, or the columns "
            "`probability_<class>` in Arrow and CSV. 422 where the model has none.",
        },
        {
            "in": "query",
            "name": "scores",
            "schema": {"type": "boolean", "default": False},
            "description": "Add the score of each row by a detector of outliers, which is below 0 "
            "for an outlier (its `decision_function`): `score` for a single row, `scores` for a "
            "batch, a column `score` in Arrow and CSV. 422 for other models.",
        },
        {
            "in": "query",
            "name": "with_inputs",
            "schema": {"type": "boolean", "default": False},
            "description": "With `Accept: text/csv`: put the rows before the predictions, all "
            "columns of a CSV body as they were sent, the model's columns of others.",
        },
    ],
    "responses": {
        "422": {
            "description": "The rows do not match the signature, the model cannot predict them, "
            "or it took more than 20 s (`/problems/prediction-timed-out`: send fewer rows)",
            "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        },
    },
    "requestBody": {
        "required": True,
        "content": {
            media_type: {"schema": _RECORD if media_type.endswith("json") else _TEXT}
            for media_type in REQUEST_TYPES
        },
    },
}


@blueprint.route("/models/<name>/predict", methods=["POST"])
@allows("predict", anonymous=True, counts=True)
@blueprint.doc(**_DOCUMENTED)
@blueprint.response(200, _PREDICTION)
@blueprint.alt_response(200, schema={"type": "string"}, content_type=ARROW, success=True)
@blueprint.alt_response(200, schema=_CSV, content_type=CSV, success=True, example=_CSV_EXAMPLE)
def post_predict_production(name: str) -> Response:
    """Predict with the version in production."""
    return answered_by(_KEY, name, PRODUCTION)


@blueprint.route("/models/<name>/<version:version>/predict", methods=["POST"])
@allows("predict", anonymous=True, counts=True)
@blueprint.doc(**_DOCUMENTED)
@blueprint.response(200, _PREDICTION)
@blueprint.alt_response(200, schema={"type": "string"}, content_type=ARROW, success=True)
@blueprint.alt_response(200, schema=_CSV, content_type=CSV, success=True, example=_CSV_EXAMPLE)
def post_predict(name: str, version: str) -> Response:
    """Predict with a version, by its number, an alias or 'latest'."""
    return answered_by(_KEY, name, version)


def answered_by(key: str, name: str, reference: str) -> Response:
    """The answer to the current request of the endpoint that was attached under ``key``."""
    endpoint = cast("Endpoint", current_app.extensions[key])
    reply = endpoint.answer(request.environ, name, reference, g.request_id)
    g.served = reply.served
    return Response(reply.body, reply.status, reply.headers)


def attach_endpoint(
    app: Flask,
    callers: Callers,
    counts: PredictionCounts | NoPredictionCounts,
    kind: Callable[..., VersionEndpoint] = PredictionEndpoint,
    key: str = _KEY,
) -> Endpoint:
    """Make an endpoint of ``app``, which the routes that find it by ``key`` call."""
    with app.app_context():
        collaborators = services()
    settings = collaborators.settings
    endpoint = kind(
        collaborators.watch,
        callers,
        collaborators.decoding,
        settings.max_predict_bytes,
        settings.anonymous_predict,
        counts,
    )
    made = _traced(endpoint, settings)
    if collaborators.sharing is not None and settings.without_lease == "serve":
        made = UnconfirmedEndpoint(made, collaborators.sharing.lease)
    app.extensions[key] = made
    return made


def _traced(endpoint: Endpoint, settings: Settings) -> Endpoint:
    """``endpoint``, with a span around each of its answers where ``settings`` say so."""
    if not settings.traces:
        return endpoint
    from api.traces import TracedEndpoint

    return TracedEndpoint(endpoint)
