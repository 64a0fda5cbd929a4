"""The metrics of the lease of this host, and of the hosts that share the database."""

import logging
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from registry.errors import RegistryError
from registry.hosts.host_rows import hosts_of
from registry.live.lease import Lease
from registry.storage.database import Database

if TYPE_CHECKING:
    from prometheus_client import Metric

logger = logging.getLogger(__name__)


class LeaseMetrics:
    """A collector, as ``prometheus_client.CollectorRegistry.register`` takes it."""

    def __init__(self, lease: Lease, database: Database) -> None:
        self._lease = lease
        self._database = database

    def collect(self) -> "Iterator[Metric]":
        """How long the lease lasts, and how many hosts there are by their state."""
        from prometheus_client.core import GaugeMetricFamily

        yield GaugeMetricFamily(
            "hotswap_lease_seconds",
            "How long this host may answer without the database; negative: since when it may not.",
            self._lease.seconds_left() if self._lease.valid_until else 0.0,
        )
        try:
            with self._database.read() as session:
                found = hosts_of(session)
        except (RegistryError, SQLAlchemyError) as error:
            logger.warning("the hosts are missing from the metrics: %s", error)
            return
        family = GaugeMetricFamily(
            "hotswap_hosts", "Hosts that share the database.", labels=("state",)
        )
        counts = Counter("lost" if host.is_lost else host.state for host in found)
        for state, count in sorted(counts.items()):
            family.add_metric((state,), count)
        yield family
