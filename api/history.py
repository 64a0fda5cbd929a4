"""The history of a model."""

from typing import Any

from api.access import allows
from api.arguments import paging_of
from api.blueprints import Blueprint
from api.schemas.bases import PagingSchema
from api.schemas.models import EventPageSchema
from api.sessions import db
from registry.reading import queries
from registry.reading.pages import Page

blueprint = Blueprint("history", __name__, description="History of a model")


@blueprint.route("/models/<name>/history", methods=["GET"])
@allows("any")
@blueprint.arguments(PagingSchema, location="query")
@blueprint.response(200, EventPageSchema)
def list_history(query: dict[str, Any], name: str) -> Page:
    """List a model's events, newest first."""
    return queries.list_history(db.session(), name, paging_of(query))
