"""Registered models."""

from typing import Any

from flask import Response, url_for

from api.access import allows, grant
from api.arguments import paging_of
from api.blueprints import Blueprint
from api.entity_tags import polled, unless_known
from api.schemas.models import (
    ChangeSchema,
    ModelPageSchema,
    ModelQuerySchema,
    ModelSchema,
    NewModelSchema,
)
from api.services import services
from api.sessions import db
from registry.operations.archive_model import archive_model
from registry.operations.create_model import create_model
from registry.operations.update_model import update_model
from registry.reading.events import model_state
from registry.reading.live_versions import with_live
from registry.reading.pages import Page
from registry.reading.queries import find_model
from registry.reading.views import View, model_view
from registry.watching.model_list import sorted_models

blueprint = Blueprint("models", __name__, description="Registered models")

_LIVE_MODELS = {
    "items": [
        {
            "name": "housing",
            "description": "Prices of houses",
            "tags": {"team": "pricing"},
            "aliases": {"production": 2},
            "status": "active",
            "last_version": 3,
            "generation": 4,
            "created_at": "2026-11-01T06:00:00.000Z",
            "created_by": "ci",
            "live": [
                {
                    "alias": "production",
                    "version": 2,
                    "kind": "forest",
                    "task": "regression",
                    "engine": "trees",
                    "since": "2026-11-21T06:00:00.000Z",
                    "by": "ann",
                    "reason": "lower error",
                    "forced": False,
                    "rolled_back": False,
                    "metrics": {"rmse": 48211.7},
                    "metric_intervals": {"rmse": [46850.2, 49633.5]},
                    "baseline": {"rmse": 115300.1},
                    "rollback_to": 1,
                }
            ],
            "newest_ready": 3,
        }
    ],
    "page": 1,
    "page_size": 50,
    "total": 1,
}
"""The reply with include=live."""


@blueprint.route("/models", methods=["GET"])
@allows("any")
@blueprint.arguments(ModelQuerySchema, location="query")
@blueprint.response(200, ModelPageSchema, example=_LIVE_MODELS)
def list_models(query: dict[str, Any]) -> Page:
    """List the models that the token covers."""
    session = db.session()
    page = sorted_models(
        session,
        grant(),
        paging_of(query),
        sort=query.get("sort"),
        text=query.get("q"),
        tag=query.get("tag"),
    )
    if query.get("include") == "live":
        page["items"] = with_live(session, page["items"])
    return page


@blueprint.route("/models", methods=["POST"])
@allows("upload")
@blueprint.arguments(NewModelSchema)
@blueprint.response(201, ModelSchema, headers={"Location": {"schema": {"type": "string"}}})
def post_model(body: dict[str, Any]) -> tuple[View, int, dict[str, str]]:
    """Create a model without versions."""
    grant().require("upload", body["name"])
    view = create_model(
        services().database,
        body["name"],
        actor=grant().name,
        description=body["description"],
        tags=body["tags"],
    )
    return view, 201, {"Location": url_for("models.get_model", name=view["name"])}


@blueprint.route("/models/<name>", methods=["GET"])
@allows("any")
@polled(blueprint, ModelSchema)
def get_model(name: str) -> Any:
    """Show a model."""
    session = db.session()
    return unless_known(model_state(session, name), lambda: model_view(find_model(session, name)))


@blueprint.route("/models/<name>", methods=["PATCH"])
@allows("upload")
@blueprint.arguments(ChangeSchema)
@blueprint.response(200, ModelSchema)
def patch_model(body: dict[str, Any], name: str) -> View:
    """Change a model's description or tags."""
    return update_model(services().database, name, actor=grant().name, **body)


@blueprint.route("/models/<name>", methods=["DELETE"])
@allows("admin")
@blueprint.response(204)
def delete_model(name: str) -> Response:
    """Archive a model with all its versions. Its name and numbers are not reused."""
    archive_model(services().database, name, actor=grant().name)
    return Response(status=204)
