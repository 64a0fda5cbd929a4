"""Fragments that pages ask for again every few seconds: unchanged ones are answered with 304."""

import hashlib
from collections.abc import Callable

from flask import Response, request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.access import grant
from api.health import RELEASE
from console.frame import health
from console.rendering import HTML
from registry.storage.tables import EventRow, VerdictRow, utc_now


def model_state(session: Session, model: str) -> str:
    """What the live figures of a model depend on: its last event, the last evaluation of its gates,
    the workers, and the minute."""
    event = session.scalar(select(func.max(EventRow.seq)).where(EventRow.model == model))
    verdict = session.scalar(
        select(func.max(VerdictRow.evaluated_at)).where(VerdictRow.model == model)
    )
    return f"{model} {event} {verdict} {health().words} {utc_now():%Y-%m-%dT%H:%M}"


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
    response.vary.add("Cookie")
    return response
