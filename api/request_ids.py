"""Request ids."""

import itertools
import re
import secrets
import time

from flask import Flask, Response, g, request

HEADER = "X-Request-Id"
_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}")
# Random once per process: a random number per request would cost a system call.
_process = secrets.token_hex(10)
_requests = itertools.count()


def request_id_for(sent: str | None) -> str:
    """The caller's own id if it is valid, otherwise a new one."""
    return sent if sent and _VALID.fullmatch(sent) else f"{_process}{next(_requests):012x}"


def identify_requests(app: Flask) -> None:
    """Assign an id to each request to ``app``, and add it to the response.

    Must be registered before all other hooks, which use ``g.request_id`` and ``g.began``.
    """

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()
        g.request_id = request_id_for(request.headers.get(HEADER))

    @app.after_request
    def end(response: Response) -> Response:
        response.headers[HEADER] = g.request_id
        return response
