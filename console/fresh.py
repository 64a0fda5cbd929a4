"""What pages ask for again every few seconds; what is unchanged is answered with 304.

A page that is only read extends ``live.html``: a script gets its content from the same address, and
replaces what differs. A page with a form that changes something shows ``news`` instead: what
happened to the model since the page was made, so that nobody decides on a state that is gone.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.access import grant
from api.release import RELEASE
from console.frame import broken_event, health
from console.rendering import HTML, is_fragment, page, render
from registry.reading.events import last_event
from registry.storage.tables import EventRow, TokenRow, TrafficRow, VerdictRow, utc_now

_MINUTE = 60


def live_page(
    state: Callable[[], str], template: str, values: Callable[[], Mapping[str, Any]]
) -> Response:
    """The page that ``template`` makes of ``values``; for a script its content, unless the browser
    has it already for the same ``state``."""
    if not is_fragment():
        return page(template, **values())
    return fragment(state(), lambda: render(template, **values()))


def fragment(state: str, render: Callable[[], str]) -> Response:
    """What ``render`` gives, unless the browser has it already for the same ``state``."""
    text = f"{RELEASE} {grant().token_id} {request.full_path} {state}"
    tag = hashlib.sha256(text.encode()).hexdigest()[:32]
    if request.if_none_match.contains_weak(tag):
        response = Response(status=304)
    else:
        response = Response(render(), content_type=HTML)
    response.set_etag(tag, weak=True)
    response.headers["Cache-Control"] = "private, no-cache"
    response.vary.update(("Cookie", "HX-Request"))
    return response


def model_state(session: Session, model: str) -> str:
    """What the page of a model depends on: its last event, the last evaluation of its gates, the
    last minute of its predictions, the workers, and the minute."""
    verdict = session.scalar(
        select(func.max(VerdictRow.evaluated_at)).where(VerdictRow.model == model)
    )
    traffic = session.scalar(
        select(func.max(TrafficRow.start)).where(
            TrafficRow.model == model, TrafficRow.seconds == _MINUTE
        )
    )
    return f"{model} {last_event(session, model)} {verdict} {traffic} {_surroundings()}"


def service_state(session: Session) -> str:
    """What lists of everything depend on: the last event, the last minute of predictions, the last
    use of a token, the workers, and the minute."""
    event = session.scalar(select(func.max(EventRow.seq)))
    traffic = session.scalar(
        select(func.max(TrafficRow.start)).where(TrafficRow.seconds == _MINUTE)
    )
    used = session.scalar(select(func.max(TokenRow.last_used_at)))
    return f"{event} {traffic} {used} {_surroundings()}"


def _surroundings() -> str:
    return f"{health().words} {broken_event()} {utc_now():%Y-%m-%dT%H:%M}"
