"""The metrics of the keeper, read from its heartbeat at each scrape."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from registry.watching.heartbeat import DEAD_SECONDS, unwatched_seconds

if TYPE_CHECKING:
    from prometheus_client import Metric


class KeeperMetrics:
    """A collector, as ``prometheus_client.CollectorRegistry.register`` takes it."""

    def __init__(self, run: Path) -> None:
        self._run = run

    def collect(self) -> "Iterator[Metric]":
        """Whether the keeper runs, and how long ago it last completed a round."""
        from prometheus_client.core import GaugeMetricFamily

        seconds = unwatched_seconds(self._run) or 0.0
        yield GaugeMetricFamily(
            "hotswap_watch_up",
            "0 if the keeper has completed no round for a minute.",
            float(seconds <= DEAD_SECONDS),
        )
        yield GaugeMetricFamily(
            "hotswap_watch_lag_seconds", "Time since the keeper last completed a round.", seconds
        )
