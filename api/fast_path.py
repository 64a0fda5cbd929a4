"""The fast path of predictions, past Flask, whose routing costs twice as much as all the rest.

It wraps ``wsgi_app``, as Flask documents for middleware. Any request that is not clearly a
prediction is passed on to Flask, whose prediction routes call the same endpoint and return the same
bytes.
"""

import re
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.http import HTTP_STATUS_CODES

from api.access_log import AccessLog
from api.hosts import Hosts
from api.request_ids import HEADER, request_id_for
from api.security_headers import SECURITY_HEADERS
from api.telemetry import NoTelemetry, Telemetry
from api.version_endpoint import Endpoint
from registry.names import LATEST, PRODUCTION, RESERVED_ALIASES

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_NOT_REFERENCES = RESERVED_ALIASES - {LATEST}
_STATUS_LINES = {code: f"{code} {phrase.upper()}" for code, phrase in HTTP_STATUS_CODES.items()}
"""Formatted as Flask does."""
PREDICT = ("/models/<name>/predict", "/models/<name>/<version:version>/predict")
INFER = ("/v2/models/<name>/infer", "/v2/models/<name>/versions/<version:version>/infer")
SCORE = ("/models/<name>/invocations", "/models/<name>/<version:version>/invocations")
TENSORFLOW = (
    "/v1/models/<name>:predict",
    "/v1/models/<name>/versions/<version:version>:predict",
    "/v1/models/<name>/labels/<version:version>:predict",
)
"""The routes of each endpoint: for the version in production, and for any version."""
INVOCATIONS = "/invocations"
"""The route of the model that the settings name."""
_ENDINGS = ("/predict", "/infer", "/invocations", ":predict")
_PATTERNS = [
    (re.compile(re.sub(r"<(?:\w+:)?(\w+)>", r"(?P<\1>[^/]+)", route)), route)
    for route in (*PREDICT, *INFER, *SCORE, *TENSORFLOW)
]
_LONGEST = 256
"""Longest path in characters that is examined: above any valid one, and short enough to cache."""


class PredictionFastPath:
    """A WSGI application in front of ``inner``; ``endpoints`` has the endpoint of each route."""

    def __init__(
        self,
        inner: "WSGIApplication",
        endpoints: Mapping[str, Endpoint],
        telemetry: Telemetry | NoTelemetry,
        hosts: Hosts,
        access_log: AccessLog | None,
    ) -> None:
        self.inner = inner
        self._access_log = access_log
        self._hosts = hosts
        self._endpoints = endpoints
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
        reply = self._endpoints[route].answer(environ, model, reference, request_id)
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
    endpoints: Mapping[str, Endpoint],
    telemetry: Telemetry | NoTelemetry,
    hosts: Hosts,
    access_log: AccessLog | None,
) -> None:
    """Serve the predictions of ``app`` on the fast path."""
    app.wsgi_app = PredictionFastPath(app.wsgi_app, endpoints, telemetry, hosts, access_log)  # type: ignore[method-assign]  # the way that Flask documents


@lru_cache(maxsize=1024)
def _prediction(path: str) -> tuple[str, str, str] | None:
    """Model, reference and route of a prediction; None for any other path."""
    if not path.endswith(_ENDINGS) or not path.isascii():
        return None
    if path == INVOCATIONS:
        return "", "", INVOCATIONS
    for pattern, route in _PATTERNS:
        if found := pattern.fullmatch(path):
            named = found.groupdict()
            reference = named.get("version", PRODUCTION)
            return None if reference in _NOT_REFERENCES else (named["name"], reference, route)
    return None
