"""Aliases of a model."""

from typing import Any

from flask import Response

from api.access import allows, grant
from api.blueprints import IDEMPOTENCY_KEY, Blueprint
from api.entity_tags import polled, unless_known
from api.promotions import moved, promotion_request
from api.schemas.promotions import (
    AliasAtSchema,
    AliasEndQuerySchema,
    AliasPageSchema,
    AliasQuerySchema,
    AliasTargetSchema,
    MovedSchema,
)
from api.services import services
from api.sessions import db
from api.worker_reports import with_loaded_in, worker_reports
from registry.errors import AliasNotFound
from registry.names import check_alias
from registry.operations.delete_alias import delete_alias
from registry.operations.promote import promote
from registry.reading.alias_moves import alias_at
from registry.reading.events import model_state
from registry.reading.live_versions import aliases_of
from registry.reading.pages import Page
from registry.reading.views import View

blueprint = Blueprint("aliases", __name__, description="Names that point at a version")

_ALIAS_THEN = {
    "alias": "production",
    "version": 1,
    "since": "2026-11-01T06:00:00.000Z",
    "by": "ann",
    "reason": "the first one",
    "forced": False,
    "rolled_back": False,
    "until": "2026-11-21T06:00:00.000Z",
}
"""The reply with 'at'."""


@blueprint.route("/models/<name>/aliases", methods=["GET"])
@allows("any")
@polled(blueprint, AliasPageSchema)
def list_aliases(name: str) -> Any:
    """List a model's aliases, with the last move of each; all of them are on one page."""
    session = db.session()
    loaded = worker_reports().loaded_of(name)

    def page() -> Page:
        items = with_loaded_in(aliases_of(session, name), loaded)
        return {"items": items, "page": 1, "page_size": max(len(items), 1), "total": len(items)}

    return unless_known(f"{model_state(session, name)} {loaded}", page)


@blueprint.route("/models/<name>/aliases/<alias>", methods=["GET"])
@allows("any")
@blueprint.arguments(AliasQuerySchema, location="query")
@blueprint.response(200, AliasAtSchema, example=_ALIAS_THEN)
def get_alias(query: dict[str, Any], name: str, alias: str) -> View:
    """Show an alias with its last move, or what it pointed at at a time."""
    session = db.session()
    if (at := query.get("at")) is not None:
        return alias_at(session, name, alias, at)
    check_alias(alias)
    found = [one for one in aliases_of(session, name) if one["alias"] == alias]
    if not found:
        raise AliasNotFound(name, alias)
    return with_loaded_in(found, worker_reports().loaded_of(name))[0]


@blueprint.route("/models/<name>/aliases/<alias>", methods=["PUT"])
@allows("promote")
@blueprint.arguments(AliasTargetSchema)
@blueprint.doc(parameters=[IDEMPOTENCY_KEY])
@blueprint.response(200, MovedSchema)
def put_alias(body: dict[str, Any], name: str, alias: str) -> tuple[View, int, dict[str, str]]:
    """Promote a version under this alias."""
    request = promotion_request({**body, "alias": alias})
    return moved(promote, name, str(body["version"]), request)


@blueprint.route("/models/<name>/aliases/<alias>", methods=["DELETE"])
@allows("promote")
@blueprint.arguments(AliasEndQuerySchema, location="query")
@blueprint.response(204)
def remove_alias(query: dict[str, Any], name: str, alias: str) -> Response:
    """Delete the alias. Predictions through it are answered with 404 from then on."""
    delete_alias(
        services().database,
        name,
        alias,
        actor=grant().name,
        expected_generation=query.get("expected_generation"),
    )
    return Response(status=204)
