"""Prometheus metrics, added up over all workers of this server.

Routes are labelled by their pattern, never by the path that was asked, which anybody could choose.
"""

import atexit
import os
import shutil
import time
from pathlib import Path
from typing import cast

from flask import Flask, Response, current_app, g, request

from api.access import allows
from api.blueprints import Blueprint
from api.services import services

blueprint = Blueprint("metrics", __name__, description="For Prometheus", answers="text/plain")

_KEY = "hotswap-measures"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Measures:
    """The counters of this process, kept in files that every worker of the server can read."""

    def __init__(self, directory: Path) -> None:
        # prometheus_client chooses its multi-process mode by this variable, when it is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
        from prometheus_client import CollectorRegistry, Counter, Histogram
        from prometheus_client.values import close_all_multiprocess_files

        # Its files are the process's, not this object's: they stay open as long as it runs.
        atexit.register(close_all_multiprocess_files)
        self.directory = directory
        self._counted: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        registry = CollectorRegistry()
        self.requests: Counter = Counter(
            "hotswap_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self.seconds: Histogram = Histogram(
            "hotswap_request_duration_seconds",
            "Time to answer.",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=registry,
        )

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request and its time. ``route`` is a pattern of ours, so there are few."""
        key = (method, route, status)
        counted = self._counted.get(key)
        if counted is None:
            counted = (
                self.requests.labels(method, route, str(status)),
                self.seconds.labels(method, route),
            )
            self._counted[key] = counted
        counted[0].inc()
        counted[1].observe(seconds)


def measure_requests(app: Flask) -> Measures:
    """Count and time every request of ``app``."""
    with app.app_context():
        directory = _own_directory(services().settings.data / "run" / "metrics")
    measures = Measures(directory)
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
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    measures = cast("Measures", current_app.extensions[_KEY])
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(measures.directory))  # type: ignore[no-untyped-call]  # prometheus_client left it without types
    return Response(generate_latest(registry), 200, {"Content-Type": CONTENT_TYPE_LATEST})


def _own_directory(parent: Path) -> Path:
    """One folder for the workers of one server, known by their parent; dead servers' go."""
    own = parent / str(os.getppid())
    own.mkdir(parents=True, exist_ok=True)
    for folder in parent.iterdir():
        if folder != own and not _is_alive(int(folder.name)):
            shutil.rmtree(folder, ignore_errors=True)
    return own


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
