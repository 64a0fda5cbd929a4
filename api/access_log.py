"""The access log: a line for each request, if HOTSWAP_ACCESS_LOG is set.

A line has nothing that a caller could have chosen, except for the request id: a model and a version
are named only where they exist.
"""

import logging
import time
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

from api.callers import Callers
from registry.engines.served_version import Key

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger("hotswap.access")


class AccessLog:
    """Writes the lines; ``callers`` knows the names of tokens."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    def write(
        self,
        environ: "WSGIEnvironment",
        *,
        route: str | None,
        status: int,
        seconds: float,
        request_id: str,
        served: Key | tuple[str | None, int | None] | None,
        actor: str | None = None,
        level: int = logging.INFO,
    ) -> None:
        """Log a request that was answered; ``served`` is its model and version.

        ``actor`` None: the name of the token in its Authorization header.
        """
        model, version = served or (None, None)
        line = {
            "method": environ["REQUEST_METHOD"] if route is not None else None,
            "route": route,
            "status": status,
            "milliseconds": round(seconds * 1000, 2),
            "request_id": request_id,
            "client": environ.get("REMOTE_ADDR"),
            "actor": actor or self._callers.name_of(environ),
            "model": model,
            "version": version,
        }
        extra = {name: value for name, value in line.items() if value not in {None, ""}}
        logger.log(level, "answered", extra=extra)


def log_requests(app: Flask, callers: Callers) -> AccessLog:
    """Log each request that Flask answers; the fast path writes its own lines."""
    log = AccessLog(callers)

    @app.after_request
    def write(response: Response) -> Response:
        # Health checks arrive every second and would drown everything else.
        probe = request.endpoint is not None and request.endpoint.startswith("health.")
        log.write(
            request.environ,
            route=None if request.url_rule is None else request.url_rule.rule,
            status=response.status_code,
            seconds=time.perf_counter() - g.began,
            request_id=g.request_id,
            served=g.get("served") or _managed(response.status_code),
            actor=g.grant.name if "grant" in g else None,
            level=logging.DEBUG if probe else logging.INFO,
        )
        return response

    return log


def _managed(status: int) -> tuple[str | None, int | None]:
    """The model and the version that the URL of a successful request names."""
    named = (request.view_args or {}) if status < 400 else {}
    number = str(named.get("version", ""))
    return named.get("name"), int(number) if number.isdecimal() else None
