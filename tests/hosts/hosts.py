"""Servers of several hosts on one machine, with one PostgreSQL and one bucket.

Each has folders of its own. Its connections to the database and to the bucket pass proxies. All
processes of a host can be stopped, continued and killed together, as those of a machine. As root, a
host can have a network of its own.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import requests
from sqlalchemy import make_url

from tests.hosts.links import Link
from tests.hosts.proxies import Proxy
from tests.postgresql import running_postgresql
from tests.processes import children, is_alive
from tests.seaweedfs import running_seaweedfs
from tests.system.real_server import ADMIN_TOKEN, BIN, ROOT, free_port

SERVE: Sequence[str | Path] = (BIN / "hotswap", "serve")
START_SECONDS = 180.0
_STOP_SECONDS = 60.0
_READY_IN_A_ROW = 16
"""Requests to /readyz, each on a connection of its own: with two workers one of them gets none of
them once in 32,768 times. Connections to one that does not accept yet wait."""


class HostFailed(Exception):
    """A host that did not start or get ready; the message has the end of its log."""


@dataclass
class Host:
    """The server with the number ``number``, and the proxies that its connections to the database
    and to the bucket pass; ``link``: its own network, if it has one."""

    number: int
    command: Sequence[str | Path]
    environment: dict[str, str]
    port: int
    log: Path
    wire: Proxy
    bucket_wire: Proxy
    link: Link | None
    process: "subprocess.Popen[bytes] | None" = None
    stopped: list[int] = field(default_factory=list)

    @property
    def address(self) -> str:
        return "127.0.0.1" if self.link is None else self.link.host_address

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    def start(self) -> None:
        """Start the server, without waiting for it."""
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        """Whether every worker takes traffic, as far as some requests show."""
        with suppress(requests.RequestException):
            return all(
                requests.get(f"{self.url}/readyz", timeout=2).ok for _ in range(_READY_IN_A_ROW)
            )
        return False

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Raises HostFailed."""
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            if time.monotonic() > deadline or self.process is None or self.process.poll():
                raise HostFailed(f"host {self.number}: {self.log.read_text()[-3000:]}")
            time.sleep(0.1)

    def processes(self) -> list[int]:
        """The main process and all that descend from it."""
        if self.process is None:
            return []
        found, ahead = [], [self.process.pid]
        while ahead:
            pid = ahead.pop()
            found.append(pid)
            with suppress(FileNotFoundError):  # it has ended meanwhile
                ahead += children(pid)
        return found

    def workers(self) -> list[int]:
        """The worker processes."""
        return [
            pid for pid in (children(self.process.pid) if self.process else ()) if _is_worker(pid)
        ]

    def pause(self, pids: Sequence[int] | None = None) -> None:
        """Stop these processes, or all, in any order."""
        chosen = list(self.processes() if pids is None else pids)
        random.shuffle(chosen)
        self.stopped += chosen
        _send(chosen, signal.SIGSTOP)

    def resume(self) -> None:
        """Let every stopped process go on, in any order."""
        chosen, self.stopped = self.stopped, []
        random.shuffle(chosen)
        _send(chosen, signal.SIGCONT)

    def kill(self) -> None:
        """Kill all processes at once, as when a machine loses its power."""
        assert self.process is not None
        # Stopped first, so that none starts another or sees that its parent has ended.
        while fresh := set(self.processes()) - set(self.stopped):
            self.pause(sorted(fresh))
        _send(self.stopped, signal.SIGKILL)
        self.stopped = []
        self.process.wait()

    def stop(self) -> None:
        """Stop the server as its operator does."""
        if self.process is None:
            return
        self.resume()
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


@dataclass(frozen=True)
class Cluster:
    """Several hosts, and the URL of their database past the proxies."""

    hosts: tuple[Host, ...]
    database_url: str
    token: str = ADMIN_TOKEN

    def beats(self, number: int) -> int:
        """How often the host with this number has renewed its lease."""
        with psycopg.connect(self.database_url.replace("+psycopg", "")) as connection:
            query = "SELECT beats FROM hosts WHERE host = %s"
            row = connection.execute(query, (host_name(number),)).fetchone()
        return -1 if row is None else int(row[0])


@contextmanager
def cluster(
    folder: Path,
    *,
    hosts: int = 3,
    workers: int = 2,
    command: Sequence[str | Path] = SERVE,
    networks: bool = False,
    **environment: str,
) -> Iterator[Cluster]:
    """Run ``hosts`` servers with ``workers`` each until the block ends, which begins when all are
    ready. ``networks``: each has a network of its own.

    Raises HostFailed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as ends:
        postgresql = ends.enter_context(running_postgresql())
        database = postgresql.create(migrated=True)
        bucket = ends.enter_context(running_seaweedfs())
        blobs_url = bucket.url()
        bucket_port = urlsplit(bucket.endpoint).port
        # The credentials of the bucket are in the environment of this process by now.
        inherited = {key: value for key, value in os.environ.items() if key[:8] != "HOTSWAP_"}
        made = []
        for number in range(1, hosts + 1):
            link = Link(number) if networks else None
            if link is not None:
                ends.callback(link.remove)
                link.make()
            address = "127.0.0.1" if link is None else link.database_address
            wire = Proxy(lambda: to_postgresql(database), address=address)
            ends.callback(wire.close)
            bucket_wire = Proxy(
                lambda: socket.create_connection(("127.0.0.1", bucket_port)), address=address
            )
            ends.callback(bucket_wire.close)
            port = free_port()
            settings = {
                "HOTSWAP_DATA": str(folder / f"host-{number}"),
                "HOTSWAP_BLOBS_URL": blobs_url,
                "HOTSWAP_BLOBS_ENDPOINT": f"http://{address}:{bucket_wire.port}",
                "HOTSWAP_DATABASE_URL": through(wire, database),
                "HOTSWAP_HOST_NAME": host_name(number),
                "HOTSWAP_HOST": "127.0.0.1" if link is None else link.host_address,
                "HOTSWAP_PORT": str(port),
                "HOTSWAP_WORKERS": str(workers),
                "HOTSWAP_ADMIN_TOKEN": ADMIN_TOKEN,
                "HOTSWAP_WATCH": "0",
                **environment,
            }
            log = folder / f"host-{number}.log"
            prefix = [] if link is None else link.command()
            host = Host(
                number=number,
                command=[*prefix, *command],
                environment=inherited | settings,
                port=port,
                log=log,
                wire=wire,
                bucket_wire=bucket_wire,
                link=link,
            )
            ends.callback(host.stop)
            made.append(host)
        made[0].start()
        made[0].wait_ready()  # it makes the admin token
        for host in made[1:]:
            host.start()
        for host in made[1:]:
            host.wait_ready()
        yield Cluster(tuple(made), database)
        for host in made:  # none may wait for another one that has been stopped
            host.wire.restore()
            host.bucket_wire.restore()


def host_name(number: int) -> str:
    """How the host calls itself in the database."""
    return f"host-{number}"


def control(module: str) -> list[str | Path]:
    """The command of a server whose application is that of ``module``."""
    return [sys.executable, "-m", "tests.system.serve_module", f"{module}:app"]


def to_postgresql(url: str) -> socket.socket:
    """A connection to the server of tests/postgresql.py."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(f"{make_url(url).query['host']}/.s.PGSQL.5432")
    return connection


def through(wire: Proxy, url: str) -> str:
    """The URL of the database by way of ``wire``."""
    parts = make_url(url).set(host=wire.address, port=wire.port, query={"sslmode": "disable"})
    return parts.render_as_string(hide_password=False)


def _is_worker(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes() and is_alive(pid)
    return False


def _send(pids: Sequence[int], signal_number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal_number)
