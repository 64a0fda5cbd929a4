"""Metrics of loaded versions, failed loads, the database and promotions.

They are kept in the same files as the request metrics (``api.telemetry``), and written off the
request path: when a version is loaded, when an alias moves, and once a second.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.problems import slug_of
from registry.engines.served_version import Key
from registry.errors import RegistryError
from registry.live.observer import Observer
from registry.watching.telemetry_folders import TelemetryFolder

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram

logger = logging.getLogger(__name__)

MOST_NAMED = 100
"""Versions that the metrics name, each with its own labels."""
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25)


@dataclass(frozen=True, slots=True)
class _Metrics:
    """The metrics themselves. The gauges of ended workers do not count."""

    load_seconds: "Histogram"
    load_failures: "Counter"
    moves: "Counter"
    workers: "Gauge"
    loaded: "Gauge"
    missing: "Gauge"
    unloadable: "Gauge"
    unreadable: "Gauge"


class ServingTelemetry(Observer):
    """Counts what it is notified of, from ``keep`` on; counts nothing without a folder."""

    def __init__(self) -> None:
        self._metrics: _Metrics | None = None
        self._named: set[Key] = set()

    def keep(self, folder: TelemetryFolder | None) -> None:
        """Start to keep metrics in the ``folder`` that ``api.telemetry`` prepared, if any."""
        if folder is None:
            return
        try:
            self._metrics = _new_metrics()
            self._metrics.workers.set(1)
            self._metrics.unreadable.set(0)
        except OSError as error:
            self._metrics = None
            logger.warning("metrics of versions are not kept: %s", error)

    def load_ended(self, seconds: float, error: Exception | None) -> None:
        if self._metrics is None:
            return
        if error is None:
            self._metrics.load_seconds.observe(seconds)
        else:
            _count(self._metrics.load_failures, _kind(error))

    def polled(
        self, *, readable: bool, loaded: int, missing: int, unloadable: Collection[Key]
    ) -> None:
        if self._metrics is None:
            return
        self._metrics.unreadable.set(not readable)
        self._metrics.loaded.set(loaded)
        self._metrics.missing.set(missing)
        self._name(self._metrics.unloadable, unloadable)

    def _name(self, gauge: "Gauge", unloadable: Collection[Key]) -> None:
        """Set the gauge of each version. Labels cannot be removed, so they stay, with value 0."""
        for key in unloadable:
            if len(self._named) < MOST_NAMED:
                self._named.add(key)
        for model, number in self._named:
            try:
                gauge.labels(model, str(number)).set((model, number) in unloadable)
            except OSError as error:  # the file cannot be enlarged
                logger.warning(
                    "a version that cannot be loaded is missing from the metrics: %s", error
                )

    def promotion_ended(self, error: Exception | None) -> None:
        if self._metrics is not None:
            _count(self._metrics.moves, "done" if error is None else _kind(error))


def _kind(error: Exception) -> str:
    """An error's slug; there is one per class of errors."""
    return slug_of(type(error)) if isinstance(error, RegistryError) else "internal-error"


def _count(counter: "Counter", label: str) -> None:
    try:
        counter.labels(label).inc()
    except OSError as error:
        # The file cannot be enlarged. What was not counted has happened nevertheless.
        logger.warning("an event was not counted: %s", error)


def _new_metrics() -> _Metrics:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

    registry = CollectorRegistry()

    def gauge(name: str, help_text: str, mode: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(name, help_text, labels, multiprocess_mode=mode, registry=registry)  # type: ignore[arg-type]  # a Literal of prometheus_client

    return _Metrics(
        load_seconds=Histogram(
            "hotswap_version_load_duration_seconds",
            "Time to read a version and make it ready to predict.",
            buckets=_BUCKETS,
            registry=registry,
        ),
        load_failures=Counter(
            "hotswap_version_load_failures",
            "Loads of versions that failed, by reason.",
            ["reason"],
            registry=registry,
        ),
        moves=Counter(
            "hotswap_promotions",
            "Promotions, rollbacks and changes of splits, by result.",
            ["result"],
            registry=registry,
        ),
        workers=gauge("hotswap_workers", "Running workers.", "livesum"),
        loaded=gauge(
            "hotswap_loaded_versions", "Versions in memory, summed over workers.", "livesum"
        ),
        missing=gauge(
            "hotswap_missing_versions",
            "Versions that an alias points at and a worker has not loaded; maximum over workers.",
            "livemax",
        ),
        unloadable=gauge(
            "hotswap_unloadable_versions",
            "1 for a version that an alias points at and that a worker cannot load.",
            "livemax",
            ("model", "version"),
        ),
        unreadable=gauge(
            "hotswap_database_unreadable", "1 if a worker cannot read the database.", "livemax"
        ),
    )
