"""Connects to the scheduler of a Dask cluster, and watches that the cluster has workers.

``distributed`` is imported by `connect` only.
"""

import logging
import time
from importlib import import_module
from typing import Any

from hotswap.errors import ClusterFailed

WORKERS_SECONDS = 120.0
"""How long a run waits while its cluster has no workers. Adaptive clusters start them on demand."""
CHECK_SECONDS = 5.0
"""How long a run waits for a result before it asks whether there are workers."""

logger = logging.getLogger(__name__)


def connect(address: str) -> Any:
    """A ``distributed.Client`` of the scheduler at ``address``. Raises ImportError without
    ``distributed``, ClusterFailed if the scheduler cannot be reached."""
    distributed = import_module("distributed")
    try:
        return distributed.Client(address)
    except (OSError, ValueError) as error:
        raise ClusterFailed(address, f"{error}") from error


def threads_of(client: Any, address: str) -> int:
    """Threads of all workers. Raises ClusterFailed."""
    try:
        return sum(client.nthreads().values())
    except (OSError, AttributeError) as error:  # a client that was closed has no scheduler
        raise ClusterFailed(address, f"the scheduler does not answer: {error}") from error


class Absence:
    """Since when a cluster has had no workers."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._since: float | None = None

    def check(self, threads: int) -> None:
        """Log it once that the cluster has no ``threads``. Raises ClusterFailed when it has had
        none for WORKERS_SECONDS."""
        if threads:
            self._since = None
        elif self._since is None:
            self._since = time.monotonic()
            logger.warning(
                "The cluster at %s has no workers; waiting %.0f s for one.",
                self._address,
                WORKERS_SECONDS,
            )
        elif time.monotonic() - self._since >= WORKERS_SECONDS:
            reason = f"it has had no workers for {WORKERS_SECONDS:.0f} s."
            raise ClusterFailed(self._address, reason)
