"""Hosts without a service: renewers in threads of one process, on a real PostgreSQL."""

import os
import secrets
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from registry.hosts.changes import HostChanges
from registry.hosts.driving import complete
from registry.hosts.listener import Listener
from registry.hosts.promoter import Promoter, Silences
from registry.hosts.renewer import Renewer, answer_asked
from registry.hosts.sql_store import SqlHostStore
from registry.hosts.store import Asked, Presence
from registry.storage.database import Database
from registry.storage.history import record

NANOSECONDS = 10**9
TICKS = os.sysconf("SC_CLK_TCK")


def clock() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@dataclass
class Page:
    valid_until: int = 0
    incarnation: int = 0


@dataclass
class NothingToLoad:
    """Workers that have every version loaded."""

    counter: int = 0
    asked: list[Asked] = field(default_factory=list)

    def announce(self) -> None:
        self.counter += 1

    def prepare(self, asked: Iterable[Asked]) -> None:
        self.asked = list(asked)

    def release(self, preparing: frozenset[int]) -> None:
        """There is nothing to release."""

    def are_loaded(self) -> bool:
        return True


class SimulatedHost:
    """A renewer, which beats when ``beat`` is called. Lease in seconds."""

    def __init__(self, store: SqlHostStore, name: str, lease: float) -> None:
        self.store = store
        self.me = Presence(name, secrets.randbits(62) + 1, "1.0", 2)
        self.page = Page()
        self.workers = NothingToLoad()
        self.renewer = Renewer(
            store,
            self.me,
            page=self.page,
            clock=clock,
            workers=self.workers,
            lease=round(lease * NANOSECONDS),
        )
        complete(self.renewer.enter())

    def beat(self) -> None:
        while complete(self.renewer.beat()):
            pass
        for asked in self.workers.asked:
            complete(answer_asked(self.store, self.me, asked, lambda *_: None))


class RunningHost:
    """A host that beats four times a lease, and when it is woken, until it is killed."""

    def __init__(self, url: str, name: str, lease: float) -> None:
        self._store = SqlHostStore(url, lease / 4)
        self.host = SimulatedHost(self._store, name, lease)
        self._seconds = lease / 4
        self._wake = threading.Event()
        self._ended = False
        self._listener = Listener(self._store, self._wake.set)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.host.beat()
        self._listener.start()
        self._thread.start()

    def kill(self) -> None:
        """Beat no more, and leave the row as it is."""
        if not self._ended:
            self._ended = True
            self._wake.set()
            self._thread.join()
            self._listener.close()
            self._store.close()

    def _run(self) -> None:
        while not self._ended:
            self.host.beat()
            self._wake.wait(self._seconds)
            self._wake.clear()


class Changer:
    """Changes the registry as the host ``host`` does: prepares, commits and confirms."""

    def __init__(self, url: str, host: RunningHost, lease: float) -> None:
        self._database = Database(url)
        self._store = SqlHostStore(url, lease / 4)
        self._page = host.host.page
        promoter = Promoter(
            self._store,
            host.host.me.host,
            page=self._page,
            clock=clock,
            silences=Silences(clock),
        )
        self._changes = HostChanges(self._store, promoter, lease)

    def change(self, number: int) -> tuple[float, tuple[str, ...]]:
        """Milliseconds of one change, and the hosts that did not confirm it."""
        began = time.perf_counter()
        with self._changes.prepared("model", number) as promotion:
            with self._database.write() as session:
                promotion.commit(session)
                record(session, "model_updated", actor="benchmark")
            unconfirmed = self._changes.confirm()
        return (time.perf_counter() - began) * 1000, unconfirmed

    def close(self) -> None:
        self._changes.close()
        self._database.dispose()


@contextmanager
def running_hosts(url: str, number: int, lease: float) -> Iterator[list[RunningHost]]:
    """So many hosts, which have joined."""
    with ExitStack() as stack:
        hosts = []
        for index in range(number):
            host = RunningHost(url, f"host-{index}", lease)
            stack.callback(host.kill)
            hosts.append(host)
        yield hosts


class ServerLoad:
    """What the PostgreSQL server of the data directory ``folder`` uses of this machine."""

    def __init__(self, folder: Path) -> None:
        self._postmaster = int((folder / "postmaster.pid").read_text().split()[0])

    def cpu_seconds(self) -> float:
        """CPU time of all processes of the server since it started."""
        ticks = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(path.parent.name) == self._postmaster:
                ticks += sum(map(int, fields[11:15]))
            elif int(fields[1]) == self._postmaster:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS


def print_now(text: str) -> None:
    print(text, flush=True, file=sys.stderr)
