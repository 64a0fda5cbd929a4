"""Content negotiation: a request that accepts no available format is refused before any work."""

from functools import lru_cache

from flask import request
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from registry.errors import NotAcceptable

JSON = "application/json"


@lru_cache(maxsize=64)
def best_type(accept: str | None, offered: tuple[str, ...]) -> str:
    """The one of ``offered`` that an Accept header prefers; the first if it prefers none.

    Raises NotAcceptable.
    """
    if not accept:
        return offered[0]
    best = parse_accept_header(accept, MIMEAccept).best_match(offered)
    if best is None:
        raise NotAcceptable(offered)
    return best


def require_accepted(media_type: str) -> None:
    """Raises NotAcceptable if the current request does not accept ``media_type``."""
    best_type(request.headers.get("Accept"), (media_type,))
