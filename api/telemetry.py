"""Prometheus metrics, summed over all workers of this server.

Routes are labelled by their pattern, never by the requested path, which callers choose.
"""

import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import cast

from flask import Flask, Response, current_app, g, request

from api.access import allows
from api.blueprints import Blueprint
from api.keeper_metrics import KeeperMetrics
from api.lease_metrics import LeaseMetrics
from api.prediction_metrics import PredictionMetrics
from api.prometheus_internals import (
    forget_gauges_of_ended_processes,
    keep_values_in,
    observe_all,
)
from api.services import services
from api.watching_metrics import WatchingMetrics
from registry.engines.served_version import Key
from registry.errors import StorageFull, Unavailable
from registry.watching.arm_counts import keep_arms
from registry.watching.predictions import NoPredictionCounts, PredictionCounts, Totals
from registry.watching.telemetry_folders import TelemetryFolder, own_folder

blueprint = Blueprint(
    "metrics", __name__, description="Metrics for Prometheus", produces="text/plain"
)
logger = logging.getLogger(__name__)

_KEY = "hotswap-telemetry"
_FLUSH_SECONDS = 0.5
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_Key = tuple[str, str, int]
"""Method, route and status."""


class NoTelemetry:
    """Replaces ``Telemetry`` where metrics cannot be kept."""

    folder = None

    def __init__(self) -> None:
        self.predictions = NoPredictionCounts()

    def close(self) -> None:
        """Do nothing."""

    def repeat(
        self, task: Callable[[], None], seconds: float, last: Callable[[], None] | None = None
    ) -> None:
        """Do nothing."""

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Do nothing."""

    def count_failed(self, why: str) -> None:
        """Do nothing."""


class Telemetry:
    """The counters of this process, kept in files that every worker of the server can read.

    ``predictions`` counts by version; ``is_live`` is whether an alias points at one.

    Counting a request appends to a queue: prometheus_client would take ten microseconds to count
    and time it, a third of a prediction. A thread writes the queue to the files twice a second; a
    process that is killed loses what it counted since.

    Raises OSError or StorageFull if there is no room for the files.
    """

    def __init__(self, folder: TelemetryFolder, is_live: Callable[[Key], bool]) -> None:
        keep_values_in(folder.path)
        from prometheus_client import CollectorRegistry, Counter, Histogram

        self.folder = folder
        self.predictions = PredictionCounts(folder.path, is_live)
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
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self.repeat(self.flush, _FLUSH_SECONDS)
        atexit.register(self.flush_last)

    def repeat(
        self, task: Callable[[], None], seconds: float, last: Callable[[], None] | None = None
    ) -> None:
        """Call ``task``, which must not raise, every ``seconds`` in a thread until ``close``, and
        then ``last``."""

        def keep_calling() -> None:
            while not self._closing.wait(seconds):
                task()
            if last is not None:
                last()

        thread = threading.Thread(target=keep_calling, name="telemetry", daemon=True)
        thread.start()
        self._threads.append(thread)

    def count_failed(self, why: str) -> None:
        """Count one failed authentication: ``missing``, ``invalid`` or ``slowed``."""
        try:
            self.failed.labels(why).inc()
        except OSError as error:
            logger.warning("a failed authentication was not counted: %s", error)

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request and its time. ``route`` is a URL pattern, so there are few."""
        self._waiting.append(((method, route, status), seconds))

    def flush(self) -> None:
        """Write what was counted to the files."""
        self.predictions.flush()
        with self._flushing:
            times: dict[_Key, list[float]] = {}
            for _ in range(len(self._waiting)):
                key, seconds = self._waiting.popleft()
                times.setdefault(key, []).append(seconds)
            for key, spent in times.items():
                self._add(key, spent)

    def flush_last(self) -> None:
        """As ``flush``, when this process ends; keep what rollouts need of the files."""
        self.flush()
        try:
            keep_arms(self.folder.path, self.folder.run)
        except OSError as error:
            logger.warning("rollouts lose the last counts of this worker: %s", error)

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
                # The files are gone or cannot be enlarged. The requests were answered nevertheless.
                logger.warning("requests were not counted: %s", error)
                return
            self._counted[key] = counted
        counted[0].inc(len(spent))
        observe_all(counted[1], _BUCKETS, spent)

    def close(self) -> None:
        """Write what was counted to the files, and leave them to other workers."""
        atexit.unregister(self.flush_last)
        self._closing.set()
        for thread in self._threads:
            thread.join()
        self.flush_last()
        self.predictions.close()
        self.folder.release()


def observe_requests(app: Flask) -> Telemetry | NoTelemetry:
    """Count and time every request to ``app``; without room for metrics, serve without them."""
    telemetry: Telemetry | NoTelemetry
    with app.app_context():
        settings, is_live = services().settings, services().watch.has_alias
    try:
        folder = own_folder(settings.data, settings.run_folder, os.getppid())
        telemetry = Telemetry(folder, is_live)
    except (OSError, StorageFull) as error:
        logger.warning("metrics are not kept: %s", error)
        telemetry = NoTelemetry()
    app.extensions[_KEY] = telemetry

    @app.after_request
    def count(response: Response) -> Response:
        route = "none" if request.url_rule is None else request.url_rule.rule
        # The method of an unknown route is any text that the caller sent.
        method = request.method if route != "none" else "any"
        telemetry.count(method, route, response.status_code, time.perf_counter() - g.began)
        return response

    return telemetry


def current_telemetry() -> Telemetry | NoTelemetry:
    """The telemetry of the current application."""
    return cast("Telemetry | NoTelemetry", current_app.extensions[_KEY])


def prediction_totals() -> Totals:
    """The predictions that all workers of this server have counted. Raises Unavailable."""
    telemetry = _kept()
    telemetry.flush()
    return telemetry.predictions.totals()


def _kept() -> Telemetry:
    telemetry = current_telemetry()
    if isinstance(telemetry, NoTelemetry):
        raise Unavailable(
            "This worker keeps no metrics: there was no room for them when it started."
        )
    return telemetry


@blueprint.route("/metrics", methods=["GET"])
@allows("any")
@blueprint.response(200, {"type": "string"}, content_type="text/plain")
def get_metrics() -> Response:
    """Show the metrics of all workers in Prometheus' text format."""
    folder = _kept().folder.path
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    forget_gauges_of_ended_processes(folder)
    registry = CollectorRegistry()
    registry.register(PredictionMetrics(prediction_totals()))
    registry.register(WatchingMetrics(services().database))
    settings = services().settings
    if settings.watch:
        registry.register(KeeperMetrics(settings.run_folder))
    if (sharing := services().sharing) is not None:
        registry.register(LeaseMetrics(sharing.lease, services().database))
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]  # prometheus_client has no types here
    return Response(generate_latest(registry), 200, {"Content-Type": CONTENT_TYPE_LATEST})
