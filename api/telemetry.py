"""Prometheus metrics, added up over all workers of this server.

Routes are labelled by their pattern, never by the path that was asked, which anybody could choose.
"""

import atexit
import logging
import os
import threading
import time
from collections import deque
from pathlib import Path
from typing import cast

from flask import Flask, Response, current_app, g, request

from api.access import allows
from api.blueprints import Blueprint
from api.prometheus_internals import (
    forget_gauges_of_ended_processes,
    keep_values_in,
    observe_all,
)
from api.services import services
from api.telemetry_folders import own_folder
from registry.errors import Unavailable

blueprint = Blueprint("metrics", __name__, description="For Prometheus", answers="text/plain")
logger = logging.getLogger(__name__)

_KEY = "hotswap-measures"
_FLUSH_SECONDS = 0.5
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_Key = tuple[str, str, int]
"""Method, route and status."""


class NoMeasures:
    """Stands in where figures cannot be kept."""

    directory = None

    def flush(self) -> None:
        """There is nothing to bring anywhere."""

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Forget it."""

    def count_failed(self, why: str) -> None:
        """Forget it."""


class Telemetry:
    """The counters of this process, kept in files that every worker of the server can read.

    Counting a request is one append: prometheus_client takes ten microseconds to count and time
    it, a third of a prediction. A thread brings them there twice a second, many at a time; what a
    process counted in the last half second before it was killed is lost.

    Raises OSError where there is no room for them.
    """

    def __init__(self, directory: Path) -> None:
        keep_values_in(directory)
        from prometheus_client import CollectorRegistry, Counter, Histogram

        self.directory = directory
        self._counted: dict[_Key, tuple[Counter, Histogram]] = {}
        self._waiting: deque[tuple[_Key, float]] = deque()
        self._flushing = threading.Lock()
        registry = CollectorRegistry()
        self.requests: Counter = Counter(
            "hotswap_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self.failed: Counter = Counter(
            "hotswap_failed_authentications",
            "Requests without a token, or with one that is not valid.",
            ["why"],
            registry=registry,
        )
        self.seconds: Histogram = Histogram(
            "hotswap_request_duration_seconds",
            "Time to answer.",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=registry,
        )
        threading.Thread(target=self._keep_flushing, name="measures", daemon=True).start()
        atexit.register(self.flush)

    def count_failed(self, why: str) -> None:
        """Count one failed authentication: ``missing``, ``invalid`` or ``slowed``."""
        try:
            self.failed.labels(why).inc()
        except OSError as error:
            logger.warning("a failed authentication was not counted: %s", error)

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request and its time. ``route`` is a pattern of ours, so there are few."""
        self._waiting.append(((method, route, status), seconds))

    def flush(self) -> None:
        """Bring what was counted to the files."""
        with self._flushing:
            times: dict[_Key, list[float]] = {}
            for _ in range(len(self._waiting)):
                key, seconds = self._waiting.popleft()
                times.setdefault(key, []).append(seconds)
            for key, spent in times.items():
                self._add(key, spent)

    def _add(self, key: _Key, spent: list[float]) -> None:
        method, route, status = key
        counted = self._counted.get(key)
        if counted is None:
            try:
                counted = (
                    self.requests.labels(method, route, str(status)),
                    self.seconds.labels(method, route),
                )
            except OSError as error:
                # The files are gone or cannot grow. The requests were answered all the same.
                logger.warning("requests were not counted: %s", error)
                return
            self._counted[key] = counted
        counted[0].inc(len(spent))
        observe_all(counted[1], _BUCKETS, spent)

    def _keep_flushing(self) -> None:
        while True:
            time.sleep(_FLUSH_SECONDS)
            self.flush()


def measure_requests(app: Flask) -> Telemetry | NoMeasures:
    """Count and time every request of ``app``; where that is impossible, serve without."""
    measures: Telemetry | NoMeasures
    with app.app_context():
        data = services().settings.data
    try:
        measures = Telemetry(own_folder(data, os.getppid()))
    except OSError as error:
        logger.warning("no figures are kept: %s", error)
        measures = NoMeasures()
    app.extensions[_KEY] = measures

    @app.after_request
    def count(response: Response) -> Response:
        route = "none" if request.url_rule is None else request.url_rule.rule
        # A method that no route takes is whatever the caller wrote.
        method = request.method if route != "none" else "any"
        measures.count(method, route, response.status_code, time.perf_counter() - g.began)
        return response

    return measures


@blueprint.route("/metrics", methods=["GET"])
@allows("any")
@blueprint.response(200, {"type": "string"}, content_type="text/plain")
def get_metrics() -> Response:
    """Show the figures of all workers in Prometheus' text format."""
    measures = cast("Telemetry | NoMeasures", current_app.extensions[_KEY])
    if measures.directory is None:
        raise Unavailable("This worker keeps no figures: it found no room for them when it began.")
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    forget_gauges_of_ended_processes(measures.directory)
    measures.flush()
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(measures.directory))  # type: ignore[no-untyped-call]  # prometheus_client left it without types
    return Response(generate_latest(registry), 200, {"Content-Type": CONTENT_TYPE_LATEST})
