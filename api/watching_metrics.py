"""The metrics of what is watched, read from the database at each scrape."""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from registry.errors import RegistryError
from registry.reading.alerts import open_alerts
from registry.storage.database import Database
from registry.watching.named_rows import MOST_SERIES

if TYPE_CHECKING:
    from prometheus_client import Metric

logger = logging.getLogger(__name__)

_OTHER = "other"


class WatchingMetrics:
    """A collector, as ``prometheus_client.CollectorRegistry.register`` takes it.

    Without the database these metrics are missing, and the others are not.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> "Iterator[Metric]":
        """The gauge of open alerts."""
        from prometheus_client.core import GaugeMetricFamily

        try:
            with self._database.read() as session:
                alerts = open_alerts(session)
        except (RegistryError, SQLAlchemyError) as error:
            logger.warning("alerts are missing from the metrics: %s", error)
            return
        family = GaugeMetricFamily(
            "hotswap_alerts_open", "Alerts whose cause holds.", labels=("model", "kind")
        )
        for (model, kind), count in _named(alerts).items():
            family.add_metric((model, kind), count)
        yield family


def _named(alerts: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """At most ``MOST_SERIES`` of the counts, and the sum of the others of each kind."""
    found: dict[tuple[str, str], int] = {}
    for place, ((model, kind), count) in enumerate(alerts.items()):
        key = (model if place < MOST_SERIES else _OTHER, kind)
        found[key] = found.get(key, 0) + count
    return found
