"""Versions of a model: reading, describing, archiving."""

from typing import Any

from flask import Response, jsonify

from api.access import allows, grant
from api.arguments import paging_of
from api.blueprints import Blueprint
from api.schemas.models import ChangeSchema
from api.schemas.versions import (
    CompiledSchema,
    VersionPageSchema,
    VersionQuerySchema,
    VersionSchema,
)
from api.services import services
from api.sessions import db
from registry.operations.archive_version import archive_version
from registry.operations.update_version import update_version
from registry.reading import queries
from registry.reading.live_versions import with_bounds
from registry.reading.pages import Page
from registry.reading.views import View, version_view

blueprint = Blueprint("versions", __name__, description="Versions of a model")


@blueprint.route("/models/<name>/versions", methods=["GET"])
@allows("any")
@blueprint.arguments(VersionQuerySchema, location="query")
@blueprint.response(200, VersionPageSchema)
def list_versions(query: dict[str, Any], name: str) -> Page:
    """List a model's versions, newest first."""
    session = db.session()
    page = queries.list_versions(
        session,
        name,
        paging_of(query),
        sort=query.get("sort"),
        status=query.get("status"),
        kind=query.get("kind"),
        tag=query.get("tag"),
    )
    if query.get("include") == "intervals":
        page["items"] = with_bounds(session, page["items"])
    return page


@blueprint.route("/models/<name>/<version:version>", methods=["GET"])
@allows("any")
@blueprint.response(200, VersionSchema)
def get_version(name: str, version: str) -> View:
    """Show a version by its number, an alias or 'latest'."""
    return version_view(queries.find_version(db.session(), name, version))


@blueprint.route("/models/<name>/<version:version>", methods=["PATCH"])
@allows("upload")
@blueprint.arguments(ChangeSchema)
@blueprint.response(200, VersionSchema)
def patch_version(body: dict[str, Any], name: str, version: str) -> View:
    """Change a version's description or tags."""
    return update_version(services().database, name, version, actor=grant().name, **body)


@blueprint.route("/models/<name>/<version:version>", methods=["DELETE"])
@allows("admin")
@blueprint.response(204)
def delete_version(name: str, version: str) -> Response:
    """Archive a version. It stays readable; its number is never used again."""
    archive_version(services().database, name, version, actor=grant().name)
    return Response(status=204)


@blueprint.route("/models/<name>/<version:version>/compiled", methods=["GET"])
@allows("any")
@blueprint.response(200, CompiledSchema)
def get_compiled(name: str, version: str) -> View:
    """List a version's compiled forms, with which a client can predict as the service does.

    Without any, ``engine`` has the reason. An archived version is answered with 404.
    """
    row = queries.find_usable_version(db.session(), name, version)
    return {
        "model": row.model,
        "version": row.number,
        "signature": row.signature,
        "engine": row.engine,
        "forms": queries.compiled_forms(row),
    }


@blueprint.route("/models/<name>/<version:version>/evaluation", methods=["GET"])
@allows("any")
@blueprint.response(200, {"$ref": "#/components/schemas/StoredEvaluation"})
def get_evaluation(name: str, version: str) -> Response:
    """Show the stored evaluation: baseline, row counts, the data of the plots, the profile.

    ``profile`` is null if the version has none: it was registered before profiles existed, or
    uploaded without one.
    """
    row = queries.find_version(db.session(), name, version)
    return jsonify({"profile": None, **row.evaluation})
