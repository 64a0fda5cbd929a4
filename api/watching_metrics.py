"""The metrics of what is watched, read from the database at each scrape."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from registry.errors import RegistryError
from registry.reading.alerts import open_alerts
from registry.reading.splits import all_weights
from registry.reading.webhooks import delivery_counts
from registry.storage.database import Database
from registry.storage.rollout_tables import RolloutRow
from registry.watching.named_rows import MOST_SERIES
from registry.watching.rollouts import active_rollouts

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
        """The gauges of open alerts, of the weights of splits and of rollouts in progress, and the
        counts of messages to webhooks."""
        try:
            with self._database.read() as session:
                alerts = open_alerts(session)
                weights = all_weights(session, MOST_SERIES)
                rollouts = active_rollouts(session)[:MOST_SERIES]
                deliveries = delivery_counts(session)
        except (RegistryError, SQLAlchemyError) as error:
            logger.warning("what is watched is missing from the metrics: %s", error)
            return
        yield _alerts_family(alerts)
        yield _weights_family(weights)
        yield _steps_family(rollouts)
        yield _deliveries_family(deliveries)


def _alerts_family(alerts: Mapping[tuple[str, str], int]) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(
        "hotswap_alerts_open", "Alerts whose cause holds.", labels=("model", "kind")
    )
    for (model, kind), count in _named(alerts).items():
        family.add_metric((model, kind), count)
    return family


def _weights_family(weights: Mapping[tuple[str, str, int], float]) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(
        "hotswap_split_weight",
        "The share of a version in the requests for an alias that is split, in percent.",
        labels=("model", "alias", "version"),
    )
    for (model, alias, version), weight in weights.items():
        family.add_metric((model, alias, str(version)), weight)
    return family


def _steps_family(rollouts: Sequence[RolloutRow]) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(
        "hotswap_rollout_step",
        "The step, from 1, of each rollout in progress.",
        labels=("model", "alias", "version"),
    )
    for row in rollouts:
        family.add_metric((row.model, row.alias, str(row.version)), row.step + 1)
    return family


def _deliveries_family(deliveries: Mapping[str, int]) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(
        "hotswap_webhook_deliveries",
        "Attempts to send a message to a webhook, of all servers of the database.",
        labels=("result",),
    )
    for result, count in deliveries.items():
        family.add_metric((result,), count)
    return family


def _named(alerts: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """At most ``MOST_SERIES`` of the counts, and the sum of the others of each kind."""
    found: dict[tuple[str, str], int] = {}
    for place, ((model, kind), count) in enumerate(alerts.items()):
        key = (model if place < MOST_SERIES else _OTHER, kind)
        found[key] = found.get(key, 0) + count
    return found
