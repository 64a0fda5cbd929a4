"""The limit: a WSGI application that reads nothing, does nothing and answers fixed bytes."""

from collections.abc import Callable, Iterable
from typing import Any

BODY = b'{"model":"housing","version":1,"prediction":207814.37512345678}'
HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))]


def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer 200 to whatever is asked."""
    start_response("200 OK", HEADERS)
    return [BODY]
