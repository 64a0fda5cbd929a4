"""The fast path of predictions, past Flask, whose routing costs twice as much as all the rest.

It wraps ``wsgi_app``, as Flask documents for middleware. Any request that is not clearly a
prediction is passed on to Flask, whose prediction routes call the same endpoint and return the same
bytes.
"""

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.http import HTTP_STATUS_CODES

from api.access_log import AccessLog
from api.hosts import Hosts
from api.predict import Endpoint
from api.request_ids import HEADER, request_id_for
from api.security_headers import SECURITY_HEADERS
from api.telemetry import NoTelemetry, Telemetry
from registry.names import LATEST, PRODUCTION, RESERVED_ALIASES

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_NOT_REFERENCES = RESERVED_ALIASES - {LATEST}
_STATUS_LINES = {code: f"{code} {phrase.upper()}" for code, phrase in HTTP_STATUS_CODES.items()}
"""Formatted as Flask does."""
_BY_ALIAS = "/models/<name>/predict"
_BY_REFERENCE = "/models/<name>/<version:version>/predict"
_LONGEST = 256
"""Longest path in characters that is examined: above any valid one, and short enough to cache."""


class PredictionFastPath:
    """A WSGI application in front of ``inner``."""

    def __init__(
        self,
        inner: "WSGIApplication",
        endpoint: Endpoint,
        telemetry: Telemetry | NoTelemetry,
        hosts: Hosts,
        access_log: AccessLog | None,
    ) -> None:
        self.inner = inner
        self._access_log = access_log
        self._hosts = hosts
        self._endpoint = endpoint
        self._telemetry = telemetry

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] != "POST" or len(path) > _LONGEST:
            return self.inner(environ, start_response)
        matched = _prediction(path)
        if matched is None or not self._hosts.knows(environ):
            return self.inner(environ, start_response)
        began = time.perf_counter()
        model, reference, route = matched
        request_id = request_id_for(environ.get("HTTP_X_REQUEST_ID"))
        reply = self._endpoint.answer(environ, model, reference, request_id)
        start_response(
            _STATUS_LINES[reply.status],
            [
                *reply.headers,
                ("Content-Length", str(len(reply.body))),
                (HEADER, request_id),
                *SECURITY_HEADERS,
            ],
        )
        seconds = time.perf_counter() - began
        self._telemetry.count("POST", route, reply.status, seconds)
        if self._access_log is not None:
            self._access_log.write(
                environ,
                route=route,
                status=reply.status,
                seconds=seconds,
                request_id=request_id,
                served=reply.served,
            )
        return [reply.body]


def install_fast_path(
    app: Flask,
    endpoint: Endpoint,
    telemetry: Telemetry | NoTelemetry,
    hosts: Hosts,
    access_log: AccessLog | None,
) -> None:
    """Serve the predictions of ``app`` on the fast path."""
    app.wsgi_app = PredictionFastPath(app.wsgi_app, endpoint, telemetry, hosts, access_log)  # type: ignore[method-assign]  # the way that Flask documents


@lru_cache(maxsize=1024)
def _prediction(path: str) -> tuple[str, str, str] | None:
    """Model, reference and route of a prediction; None for any other path."""
    if not path.endswith("/predict") or not path.isascii():
        return None
    match path.split("/"):
        case ["", "models", name, "predict"] if name:
            return name, PRODUCTION, _BY_ALIAS
        case ["", "models", name, reference, "predict"] if (
            name and reference and reference not in _NOT_REFERENCES
        ):
            return name, reference, _BY_REFERENCE
    return None
