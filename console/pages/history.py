"""The history of all models and tokens, and files of it."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from api.access import allows, grant
from api.schemas.history import EVENT_TYPES
from api.services import services
from api.sessions import db
from console.fresh import live_page, service_state
from console.history_files import FORMATS
from console.queries import choice_in_query
from registry.errors import HistoryBroken, ParameterMalformed
from registry.operations.verify_history import verify_history
from registry.reading.events import EventFilter, each_event, history_head, list_events
from registry.reading.pages import LARGEST_NUMBER
from registry.reading.views import View
from registry.stored_text import unstorable

blueprint = Blueprint("history", __name__)

PAGE_SIZE = 50
FILTERS = ("model", "type", "actor", "alias", "from", "to")
_DAY = timedelta(days=1)


@blueprint.route("/history", methods=["GET"])
@allows("any")
def show() -> Response:
    """Show the events that the query of the URL selects, newest first, by day."""
    session = db.session()
    head = history_head(session)
    return live_page(
        lambda: f"{service_state(session)} {head}",
        "history.html",
        lambda: _values(session, head),
    )


@blueprint.route("/history/export", methods=["GET"])
@allows("any")
def export() -> Response:
    """All events that the query of the URL selects, as a file."""
    name = choice_in_query("format", tuple(FORMATS))
    events = each_event(services().database, grant(), _wanted())
    media_type, write = FORMATS[name]
    response = Response(write(events), content_type=f"{media_type}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="history.{name}"'
    return response


@blueprint.route("/history/verify", methods=["POST"])
@allows("admin")
def verify() -> AnyResponse:
    """Verify the hash chain of the history; the page then shows the outcome."""
    with suppress(HistoryBroken):  # the outcome is kept, and the page says it
        verify_history(services().database)
    return redirect(url_for("console.history.show"), 303)


def _values(session: Session, head: View) -> dict[str, Any]:
    found = list_events(session, grant(), _wanted(), PAGE_SIZE)
    days = [
        (date.fromisoformat(day), list(events))
        for day, events in groupby(found["items"], lambda event: event["at"][:10])
    ]
    # What a form leaves empty is left out of the addresses of files and other pages.
    chosen = {name: text for name in FILTERS if (text := request.args.get(name))}
    return {
        "days": days,
        "older": found["next"],
        "types": EVENT_TYPES,
        "chosen": chosen,
        "head": head,
    }


def _wanted() -> EventFilter:
    """The filter in the query of the URL. Raises ParameterMalformed."""
    last = _day("to")
    return EventFilter(
        model=_text("model"),
        type=choice_in_query("type", ("", *EVENT_TYPES)) or None,
        actor=_text("actor"),
        alias=_text("alias"),
        since=_day("from"),
        until=None if last is None else last + _DAY,
        before=_number("before"),
    )


def _text(name: str) -> str | None:
    text = request.args.get(name, "").strip()
    if (why := unstorable(text)) is not None:
        raise ParameterMalformed(name, why)
    return text or None


def _day(name: str) -> datetime | None:
    """The beginning of a day in UTC; not the last of the year 9999, which has no next."""
    text = request.args.get(name, "")
    try:
        found = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) if text else None
        return found and found + _DAY - _DAY
    except (ValueError, OverflowError) as error:
        raise ParameterMalformed(name, "expected a date, as 2026-01-31.") from error


def _number(name: str) -> int | None:
    text = request.args.get(name, "")
    if text and not (text.isascii() and text.isdigit() and 1 <= int(text[:20]) <= LARGEST_NUMBER):
        raise ParameterMalformed(name, "expected the number of an event.")
    return int(text) if text else None
