"""Figures of what the workers serve: versions loaded, loads that failed, the database, promotions.

They are kept beside those of the requests (``api.telemetry``), in the same files, and written off
the request path: when a version is loaded, when an alias moves, and once a second.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from api.problems import slug_of
from registry.engines.served_version import Key
from registry.errors import RegistryError
from registry.live.observer import Observer

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram

logger = logging.getLogger(__name__)

MOST_NAMED = 100
"""Versions that the metrics name, each by labels of its own."""
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25)


@dataclass(frozen=True, slots=True)
class _Kept:
    """The metrics themselves. A gauge of a worker that is no more does not count."""

    load_seconds: "Histogram"
    load_failures: "Counter"
    moves: "Counter"
    workers: "Gauge"
    loaded: "Gauge"
    missing: "Gauge"
    unloadable: "Gauge"
    unreadable: "Gauge"


class ServingMeasures(Observer):
    """Keeps figures of what it is told; forgets it until ``keep`` said where, and without room."""

    def __init__(self) -> None:
        self._kept: _Kept | None = None
        self._named: set[Key] = set()

    def keep(self, directory: Path | None) -> None:
        """Begin to keep figures, in the ``directory`` that ``api.telemetry`` made ready, if any."""
        if directory is None:
            return
        try:
            self._kept = _new_metrics()
            self._kept.workers.set(1)
            self._kept.unreadable.set(0)
        except OSError as error:
            self._kept = None
            logger.warning("no figures of the versions are kept: %s", error)

    def load_ended(self, seconds: float, error: Exception | None) -> None:
        if self._kept is None:
            return
        if error is None:
            self._kept.load_seconds.observe(seconds)
        else:
            _count(self._kept.load_failures, _kind(error))

    def polled(
        self, *, readable: bool, loaded: int, missing: int, unloadable: Collection[Key]
    ) -> None:
        if self._kept is None:
            return
        self._kept.unreadable.set(not readable)
        self._kept.loaded.set(loaded)
        self._kept.missing.set(missing)
        self._name(self._kept.unloadable, unloadable)

    def _name(self, gauge: "Gauge", unloadable: Collection[Key]) -> None:
        """A label that was once set cannot be removed: it stays, with the value 0."""
        for key in unloadable:
            if len(self._named) < MOST_NAMED:
                self._named.add(key)
        for model, number in self._named:
            try:
                gauge.labels(model, str(number)).set((model, number) in unloadable)
            except OSError as error:  # the file cannot grow
                logger.warning("a version that cannot be loaded is not in the metrics: %s", error)

    def promotion_ended(self, error: Exception | None) -> None:
        if self._kept is not None:
            _count(self._kept.moves, "done" if error is None else _kind(error))


def _kind(error: Exception) -> str:
    """An error's slug: there are only as many as classes of errors."""
    return slug_of(type(error)) if isinstance(error, RegistryError) else "internal-error"


def _count(counter: "Counter", label: str) -> None:
    try:
        counter.labels(label).inc()
    except OSError as error:
        # The file cannot grow. What was to be counted has happened all the same.
        logger.warning("not counted: %s", error)


def _new_metrics() -> _Kept:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

    registry = CollectorRegistry()

    def gauge(name: str, help_text: str, mode: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(name, help_text, labels, multiprocess_mode=mode, registry=registry)  # type: ignore[arg-type]  # one of its own words

    return _Kept(
        load_seconds=Histogram(
            "hotswap_version_load_duration_seconds",
            "Time to read a version and make it ready to answer.",
            buckets=_BUCKETS,
            registry=registry,
        ),
        load_failures=Counter(
            "hotswap_version_load_failures",
            "Versions that could not be loaded, by what was wrong.",
            ["reason"],
            registry=registry,
        ),
        moves=Counter(
            "hotswap_promotions",
            "Promotions and rollbacks, by how they ended.",
            ["result"],
            registry=registry,
        ),
        workers=gauge("hotswap_workers", "Workers that run.", "livesum"),
        loaded=gauge(
            "hotswap_loaded_versions", "Versions in memory, added up over workers.", "livesum"
        ),
        missing=gauge(
            "hotswap_missing_versions",
            "Versions that an alias points at and that the worst-off worker has not loaded.",
            "livemax",
        ),
        unloadable=gauge(
            "hotswap_unloadable_versions",
            "1 for a version that an alias points at and that a worker cannot load.",
            "livemax",
            ("model", "version"),
        ),
        unreadable=gauge(
            "hotswap_database_unreadable", "1 where a worker cannot read the database.", "livemax"
        ),
    )
