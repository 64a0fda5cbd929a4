"""Connects to the scheduler of a Dask cluster, and watches that the cluster has workers.

``distributed`` is imported by `connect` only.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from hotswap.errors import ClusterFailed

WORKERS_SECONDS = 120.0
"""How long a run waits while its cluster has no workers. Adaptive clusters start them on demand."""
CHECK_SECONDS = 5.0
"""How long a run waits for a result before it asks whether there are workers."""
ANSWER_SECONDS = 60.0
"""How long a run waits for an answer of the scheduler; it is busy while it passes on large data."""

logger = logging.getLogger(__name__)


def connect(address: str) -> Any:
    """A ``distributed.Client`` of the scheduler at ``address``. Raises ImportError without
    ``distributed``, ClusterFailed if the scheduler cannot be reached."""
    distributed = import_module("distributed")
    try:
        if _loader_of_credentials() is not None:  # only the client knows what it gets
            return distributed.Client(address)
        security = distributed.Security()  # Dask's configuration
        _greet(distributed, address, security)
        return distributed.Client(address, security=security)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        # TypeError: a tls:// address without certificates. RuntimeError: tcp:// where the
        # configuration requires encryption.
        raise ClusterFailed(address, f"{error}") from error


def _loader_of_credentials() -> str | None:
    dask = import_module("dask")
    configured: str | None = dask.config.get("distributed.client.security-loader", None)
    return configured


def _greet(distributed: Any, address: str, security: Any) -> None:
    """Raise ClusterFailed if what accepts connections at ``address`` does not answer in
    ANSWER_SECONDS: a Client would wait for that without end."""

    async def greeted() -> None:
        async with asyncio.timeout(ANSWER_SECONDS):
            connection = await distributed.comm.connect(
                address, **security.get_connection_args("client")
            )
            await connection.close()

    try:
        _run(greeted)
    except TimeoutError as error:
        reason = (
            f"it has not answered for {ANSWER_SECONDS:.0f} s. Is this the address of a scheduler?"
        )
        raise ClusterFailed(address, reason) from error


def _run(task: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run ``task`` to its end; in another thread if this one has an event loop, as in a notebook.
    Without one it stays here, where an interruption ends it."""

    def run() -> None:
        # With a factory the event loop that the caller may have set for later is kept.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(task())

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        run()
        return
    with ThreadPoolExecutor(1) as thread:
        thread.submit(run).result()


def threads_of(client: Any, address: str) -> int:
    """Threads of all workers. Raises ClusterFailed, also if the scheduler does not answer in
    ANSWER_SECONDS."""
    try:
        counted = client.sync(client.scheduler.ncores, callback_timeout=ANSWER_SECONDS)
        return sum(counted.values())
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
