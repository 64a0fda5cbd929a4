"""What is done to a host while its clients go on: stops, kills and cuts, in any order."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from tests.hosts.hosts import Cluster, Host, HostFailed
from tests.hosts.proxies import Cut
from tests.hosts.record import Outage

LASTS = (0.3, 0.8, 1.3, 2.5)
"""How long a disturbance lasts, in leases."""
PAUSES = (1.0, 4.0)
"""How long a host is left alone after each, at least and at most, in leases: often one host is
disturbed alone, and sometimes none."""
_GONE_SECONDS = 120.0
"""How long a host may take until it takes traffic again."""


class Disturber(threading.Thread):
    """Disturbs ``host`` again and again until it is told to end, and undoes it each time.

    ``lasts``: how long, in leases of ``lease`` seconds; ``only``: the kinds of disturbances, if not
    all.
    """

    def __init__(
        self,
        cluster: Cluster,
        host: Host,
        seed: int,
        lease: float,
        *,
        lasts: Sequence[float] = LASTS,
        only: Collection[str] = (),
    ) -> None:
        super().__init__(daemon=True, name=f"disturber of {host.number}")
        self.outages: list[Outage] = []
        self.fault: Exception | None = None
        self._cluster, self._host = cluster, host
        self._random = random.Random(seed)
        self._lease = lease
        self._lasts, self._only = lasts, only
        self._ends = threading.Event()

    def end(self) -> None:
        """Disturb no more; ``join`` waits until the host is well."""
        self._ends.set()

    def run(self) -> None:
        ways = [way for way in self._ways() if not self._only or way[0] in self._only]
        while not self._ends.wait(self._random.uniform(*PAUSES) * self._lease):
            kind, disturb, undo = self._random.choice(ways)
            start = time.monotonic()
            try:
                disturb()
                self._ends.wait(self._random.choice(self._lasts) * self._lease)
                undo()
                self._wait_well()
            except HostFailed as error:
                self.fault = error
                return
            finally:
                self.outages.append(Outage(self._host.number, kind, start, time.monotonic()))

    def _wait_well(self) -> None:
        """Wait until the host has renewed its lease and takes traffic with all its workers. Raises
        HostFailed."""
        deadline = time.monotonic() + _GONE_SECONDS
        before = self._beats()
        while self._beats() == before or not self._is_whole():
            if time.monotonic() > deadline:
                raise HostFailed(f"host {self._host.number} does not take traffic again")
            time.sleep(0.05)

    def _beats(self) -> int:
        return self._cluster.beats(self._host.number)

    def _is_whole(self) -> bool:
        wanted = int(self._host.environment["HOTSWAP_WORKERS"])
        return len(self._host.workers()) == wanted and self._host.is_ready()

    def _ways(self) -> list[tuple[str, Callable[[], None], Callable[[], None]]]:
        """Kinds of disturbances, with what disturbs and what undoes it."""
        host, wire, bucket = self._host, self._host.wire, self._host.bucket_wire
        ways: list[tuple[str, Callable[[], None], Callable[[], None]]] = []
        if host.link is not None:
            ways.append(("no route", host.link.lose, host.link.restore))
        return [
            *ways,
            ("stopped", host.pause, host.resume),
            ("worker stopped", lambda: host.pause([self._worker()]), host.resume),
            ("worker killed", lambda: _kill(self._worker()), lambda: None),
            ("killed", host.kill, host.start),
            ("refused", wire.refuse, wire.restore),
            ("swallowed", wire.swallow, wire.restore),
            ("requests swallowed", lambda: wire.swallow(Cut.REQUESTS), wire.restore),
            ("replies swallowed", lambda: wire.swallow(Cut.REPLIES), wire.restore),
            ("bucket refused", bucket.refuse, bucket.restore),
            ("bucket swallowed", bucket.swallow, bucket.restore),
            (
                "delayed",
                lambda: wire.delay(self._random.choice((0.02, 0.1, 0.5)) * self._lease),
                wire.restore,
            ),
        ]

    def _worker(self) -> int:
        return self._random.choice(self._host.workers())


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
