"""Versions of a model: reading, describing, archiving, and the artifact itself."""

from typing import Any

from flask import Response, jsonify, request, send_file
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from api.access import allows, grant
from api.blueprints import Blueprint
from api.schemas import ChangeSchema, VersionPageSchema, VersionQuerySchema, VersionSchema
from api.services import services
from api.sessions import db
from registry import queries
from registry.operations.archive_version import archive_version
from registry.operations.update_version import update_version

blueprint = Blueprint("versions", __name__, description="Versions of a model")


@blueprint.route("/models/<name>/versions", methods=["GET"])
@allows("any")
@blueprint.arguments(VersionQuerySchema, location="query")
@blueprint.response(200, VersionPageSchema)
def list_versions(query: dict[str, Any], name: str) -> queries.Page:
    """List a model's versions, newest first."""
    paging = queries.Paging(query["page"], query["page_size"])
    return queries.list_versions(
        db.session(), name, paging, sort=query.get("sort"), status=query.get("status")
    )


@blueprint.route("/models/<name>/<version:version>", methods=["GET"])
@allows("any")
@blueprint.response(200, VersionSchema)
def get_version(name: str, version: str) -> queries.View:
    """Show a version by its number, an alias or 'latest'."""
    return queries.version_view(queries.find_version(db.session(), name, version))


@blueprint.route("/models/<name>/<version:version>", methods=["PATCH"])
@allows("upload")
@blueprint.arguments(ChangeSchema)
@blueprint.response(200, VersionSchema)
def patch_version(body: dict[str, Any], name: str, version: str) -> queries.View:
    """Change a version's description or tags."""
    return update_version(services().database, name, version, actor=grant().name, **body)


@blueprint.route("/models/<name>/<version:version>", methods=["DELETE"])
@allows("admin")
@blueprint.response(204)
def delete_version(name: str, version: str) -> Response:
    """Archive a version. It stays readable; its number is never used again."""
    archive_version(services().database, name, version, actor=grant().name)
    return Response(status=204)


@blueprint.route("/models/<name>/<version:version>/evaluation", methods=["GET"])
@allows("any")
@blueprint.response(200, {"type": "object"})
def get_evaluation(name: str, version: str) -> Response:
    """What its training kept for plots: baseline, residuals, confusion matrix, curves."""
    row = queries.find_version(db.session(), name, version)
    return jsonify(row.evaluation)


@blueprint.route("/models/<name>/<version:version>/artifact", methods=["GET"])
@allows("any")
@blueprint.response(
    200, {"type": "string", "format": "binary"}, content_type="application/octet-stream"
)
@blueprint.alt_response(206, description="The range that was asked for")
@blueprint.alt_response(304, description="The caller has these bytes already")
@blueprint.alt_response(416, description="No such range")
def get_artifact(name: str, version: str) -> Response:
    """The uploaded bytes, verified against their SHA-256, which is the ETag."""
    row = queries.find_version(db.session(), name, version)
    file = services().blobs.open(row.sha256)
    response = send_file(
        file,
        mimetype="application/octet-stream",
        as_attachment=True,
        download_name=f"{row.model}-{row.number}.{row.format}",
        conditional=False,
        etag=row.sha256,
        last_modified=row.created_at,
    )
    response.content_length = row.size
    try:
        response.make_conditional(request, accept_ranges=True, complete_length=row.size)
    except RequestedRangeNotSatisfiable:
        response.close()
        raise
    return response
