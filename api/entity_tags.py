"""Responses that callers ask for again and again: unchanged ones are answered with 304.

What a response is made of is known from a short query, so an unchanged one is never made. The tag
(RFC 9110, section 8.8.3) is the same on every worker and host, and for every token: whether a token
may see the model is checked before.
"""

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Response, request

from api.blueprints import Blueprint
from api.release import RELEASE

Body = TypeVar("Body")
View = Callable[..., Any]

_HEADERS = {"ETag": {"schema": {"type": "string"}, "description": "For If-None-Match."}}
_IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "schema": {"type": "string"},
    "description": "The ETag of an earlier response: 304 if it would be the same again.",
}


def polled(blueprint: Blueprint, schema: type[Any]) -> Callable[[View], View]:
    """Describe a view that returns what ``unless_known`` does."""

    def described(view: View) -> View:
        answered: View = blueprint.response(200, schema, headers=_HEADERS)(view)
        answered = blueprint.alt_response(304, description="Not modified")(answered)
        documented: View = blueprint.doc(parameters=[_IF_NONE_MATCH])(answered)
        return documented

    return described


def unless_known(
    state: str, make: Callable[[], Body]
) -> Response | tuple[Body, int, dict[str, str]]:
    """The body that ``make`` gives, unless the caller has it already for the same ``state``."""
    text = f"{RELEASE} {request.full_path} {state}"
    tag = hashlib.sha256(text.encode()).hexdigest()[:32]
    headers = {
        "ETag": f'W/"{tag}"',
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization",
    }
    if request.if_none_match.contains_weak(tag):
        unchanged = Response(status=304, headers=headers)
        del unchanged.headers["Content-Type"]
        return unchanged
    return make(), 200, headers
