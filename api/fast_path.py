"""The narrow door: predictions go past Flask, whose routing costs twice all the rest.

``wsgi_app`` is Flask's own place to put something in front. What is not plainly a prediction goes
on to Flask, whose route for predictions leads to the same endpoint and answers the same bytes.
"""

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.http import HTTP_STATUS_CODES

from api.hosts import Hosts
from api.predict import PredictionEndpoint
from api.request_ids import HEADER, request_id_for
from api.security_headers import SECURITY_HEADERS
from api.telemetry import NoMeasures, Telemetry
from registry.names import LATEST, PRODUCTION, RESERVED_ALIASES

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_NO_REFERENCE = RESERVED_ALIASES - {LATEST}
_STATUS_LINES = {code: f"{code} {phrase.upper()}" for code, phrase in HTTP_STATUS_CODES.items()}
"""As Flask writes them."""
_BY_ALIAS = "/models/<name>/predict"
_BY_REFERENCE = "/models/<name>/<version:version>/predict"
_LONGEST = 256
"""Characters of a path, more than any good one has: so few that some may be remembered."""


class PredictionFastPath:
    """A WSGI application in front of ``inner``."""

    def __init__(
        self,
        inner: "WSGIApplication",
        endpoint: PredictionEndpoint,
        measures: Telemetry | NoMeasures,
        hosts: Hosts,
    ) -> None:
        self.inner = inner
        self._hosts = hosts
        self._endpoint = endpoint
        self._measures = measures

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] != "POST" or len(path) > _LONGEST:
            return self.inner(environ, start_response)
        asked = _prediction(path)
        if asked is None or not self._hosts.knows(environ):
            return self.inner(environ, start_response)
        began = time.perf_counter()
        model, reference, route = asked
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
        self._measures.count("POST", route, reply.status, time.perf_counter() - began)
        return [reply.body]


def open_door(
    app: Flask, endpoint: PredictionEndpoint, measures: Telemetry | NoMeasures, hosts: Hosts
) -> None:
    """Put the door in front of ``app``."""
    app.wsgi_app = PredictionFastPath(app.wsgi_app, endpoint, measures, hosts)  # type: ignore[method-assign]  # the way that Flask documents


@lru_cache(maxsize=1024)
def _prediction(path: str) -> tuple[str, str, str] | None:
    """Model, reference and route of a prediction; None for any other path."""
    if not path.endswith("/predict") or not path.isascii():
        return None
    match path.split("/"):
        case ["", "models", name, "predict"] if name:
            return name, PRODUCTION, _BY_ALIAS
        case ["", "models", name, reference, "predict"] if (
            name and reference and reference not in _NO_REFERENCE
        ):
            return name, reference, _BY_REFERENCE
    return None
