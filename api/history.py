"""The history: of a model, and of all models and tokens."""

from typing import Any

from api.access import allows, grant
from api.arguments import paging_of
from api.blueprints import Blueprint
from api.entity_tags import polled, unless_known
from api.schemas.bases import PagingSchema
from api.schemas.history import HistoryHeadSchema, HistoryPageSchema, HistoryQuerySchema
from api.schemas.models import EventPageSchema
from api.services import services
from api.sessions import db
from registry.operations.verify_history import verify_history
from registry.reading import queries
from registry.reading.events import EventFilter, EventPage, history_head, list_events, model_state
from registry.reading.views import View

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
@polled(blueprint, EventPageSchema)
def list_history(query: dict[str, Any], name: str) -> Any:
    """List a model's events, newest first."""
    session, paging = db.session(), paging_of(query)
    return unless_known(
        model_state(session, name), lambda: queries.list_history(session, name, paging)
    )


@blueprint.route("/history/head", methods=["GET"])
@allows("any")
@blueprint.response(200, HistoryHeadSchema)
def get_head() -> View:
    """Show where the hash chain of the history ends, and the outcome of its last check."""
    return history_head(db.session())


@blueprint.route("/history/verify", methods=["POST"])
@allows("admin")
@blueprint.response(200, HistoryHeadSchema)
def post_verification() -> View:
    """Verify the hash chain of the whole history, and keep the outcome.

    A broken chain is the problem history-broken, whose 'seq' is the first event that is wrong or
    missing.
    """
    return verify_history(services().database)
