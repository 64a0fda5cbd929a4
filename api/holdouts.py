"""The holdout: the table that a model's versions are measured on."""

from typing import Any, cast

from flask import Response, jsonify, request

from api.access import allows, grant
from api.arguments import paging_of
from api.blueprints import Blueprint
from api.bodies import receive_body
from api.schemas.holdouts import (
    HoldoutQuerySchema,
    HoldoutsSchema,
    HoldoutTargetSchema,
    SetHoldoutSchema,
)
from api.services import services
from api.sessions import db
from api.upload_forms import StreamingRequest
from registry.errors import FormatUnsupported
from registry.gates.holdouts import FORMATS
from registry.names import check_model_name
from registry.operations.remove_holdout import remove_holdout
from registry.operations.set_holdout import set_holdout
from registry.reading import queries
from registry.reading.views import View

blueprint = Blueprint("holdouts", __name__, description="Tables that versions are measured on")

_TABLE = {"schema": {"type": "string", "format": "binary", "minLength": 1}}


@blueprint.route("/models/<name>/holdout", methods=["GET"])
@allows("any")
@blueprint.arguments(HoldoutQuerySchema, location="query")
@blueprint.response(200, HoldoutsSchema)
def get_holdout(query: dict[str, Any], name: str) -> Response:
    """Show the current holdout; with ``history=true`` list all holdouts, newest first."""
    if query["history"]:
        return jsonify(queries.list_holdouts(db.session(), name, paging_of(query)))
    return jsonify(queries.holdout_of(db.session(), name))


@blueprint.route("/models/<name>/holdout", methods=["PUT"])
@allows("promote")
@blueprint.arguments(HoldoutTargetSchema, location="query")
@blueprint.alt_response(200, schema=SetHoldoutSchema)
@blueprint.response(201, SetHoldoutSchema)
@blueprint.doc(requestBody={"required": True, "content": dict.fromkeys(FORMATS, _TABLE)})
def put_holdout(query: dict[str, Any], name: str) -> tuple[View, int]:
    """Set the table that the model's versions are measured on; 200 if it is set already."""
    check_model_name(name)
    if request.mimetype not in FORMATS:
        raise FormatUnsupported(f"Content-Type must be one of {', '.join(FORMATS)}.")
    limit = services().settings.max_upload_bytes
    table = services().blobs.stage(limit)
    # Discarded at the end of the request unless it was kept.
    cast("StreamingRequest", request).staged.append(table)
    receive_body(request.environ, table.write, limit, "HOTSWAP_MAX_UPLOAD_MB")
    view, changed = set_holdout(
        services().database,
        name,
        table,
        FORMATS[request.mimetype],
        query.get("target"),
        blobs=services().blobs,
        actor=grant().name,
    )
    return view, 201 if changed else 200


@blueprint.route("/models/<name>/holdout", methods=["DELETE"])
@allows("promote")
@blueprint.response(204)
def delete_holdout(name: str) -> Response:
    """Remove the holdout: gates use the claimed metrics again. Its bytes stay in the store."""
    remove_holdout(services().database, name, actor=grant().name)
    return Response(status=204)
