"""The history: of a model, and of all models and tokens."""

from typing import Any

from api.access import allows, grant
from api.arguments import paging_of
from api.blueprints import Blueprint
from api.schemas.bases import PagingSchema
from api.schemas.history import HistoryPageSchema, HistoryQuerySchema
from api.schemas.models import EventPageSchema
from api.sessions import db
from registry.reading import queries
from registry.reading.events import EventFilter, EventPage, list_events
from registry.reading.pages import Page

blueprint = Blueprint("history", __name__, description="History of models and tokens")


@blueprint.route("/history", methods=["GET"])
@allows("any")
@blueprint.arguments(HistoryQuerySchema, location="query")
@blueprint.response(200, HistoryPageSchema)
def list_all_events(query: dict[str, Any]) -> EventPage:
    """List the events of all models that the token covers, newest first.

    Tokens with the scope admin for all models also get the events of tokens.
    """
    page_size = query.pop("page_size")
    return list_events(db.session(), grant(), EventFilter(**query), page_size)


@blueprint.route("/models/<name>/history", methods=["GET"])
@allows("any")
@blueprint.arguments(PagingSchema, location="query")
@blueprint.response(200, EventPageSchema)
def list_history(query: dict[str, Any], name: str) -> Page:
    """List a model's events, newest first."""
    return queries.list_history(db.session(), name, paging_of(query))
