"""A service whose main process is replaced, at a TCP port or at a Unix socket."""

import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.swap import Target
from cli.hold import is_held
from tests.processes import is_alive, wait_for
from tests.system.real_server import ADMIN_TOKEN, BIN, ROOT, free_port, wait_until


class UnixConnection(http.client.HTTPConnection):
    """An HTTP connection to the Unix socket at ``path``."""

    def __init__(self, path: Path) -> None:
        super().__init__("models.example.com", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(30)
        self.sock.connect(os.fspath(self._path))


@dataclass(frozen=True, slots=True)
class UnixTarget(Target):
    """A service at the Unix socket ``url``."""

    def connect(self) -> http.client.HTTPConnection:
        return UnixConnection(Path(self.url))


@dataclass(frozen=True)
class Generations:
    """The main processes of one service, one after the other."""

    data: Path
    target: Target
    environment: dict[str, str]
    log: Path
    started: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def holder(self) -> int:
        """The process that the service's lock names; 0 if there is none."""
        try:
            return int(json.loads((self.data / "run" / "serve.lock").read_bytes())["pid"])
        except (FileNotFoundError, ValueError):
            return 0

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
        """Start a main process."""
        with self.log.open("ab") as stream:
            process = subprocess.Popen(
                [BIN / "hotswap", "serve", "--workers", "2", *arguments],
                cwd=ROOT,
                env=self.environment | environment,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Stop the service, and wait for every process that was started here."""
        holder = self.holder()
        # First those that wait for the lock: they would serve when the holder has ended.
        for process in self.started:
            if process.pid != holder:
                process.terminate()
        if holder:  # or the signal would go to this process and its group
            with suppress(ProcessLookupError):
                os.kill(holder, signal.SIGTERM)
        wait_for(lambda: not is_alive(self.holder()))
        for process in self.started:
            process.wait(60)

    def status(self, path: str = "/readyz") -> int:
        """The status of a GET; 0 where there is no answer."""
        connection = self.target.connect()
        try:
            connection.request("GET", path, headers=self.target.headers())
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def wait_ready(self) -> None:
        """Wait until the service has a main process that answers, and can be replaced."""
        offer = self.data / "run" / "main.sock"
        wait_until(
            lambda: self.status() == 200 and is_alive(self.holder()) and offer.exists(),
            "it is not ready",
        )

    def revive(self) -> None:
        """Start a main process if there is none any more, and wait until the service answers."""

        def is_served() -> bool:
            if not is_held(self.data):
                started = self.start()
                wait_until(lambda: is_held(self.data) or started.poll() is not None, "no start")
            return self.status() == 200 and is_alive(self.holder())

        wait_until(is_served, "there is no service")

    def replace(self, *, by_signal: bool) -> None:
        """Replace the main process, and wait until the one before has ended."""
        self.wait_ready()
        before = self.holder()
        if by_signal:
            os.kill(before, signal.SIGUSR2)
        else:
            self.start("--take-over")
        wait_until(lambda: not is_alive(before), f"it was not replaced:\n{self.log.read_text()}")
        wait_until(lambda: self.holder() != before, "nobody is in its place")


@contextmanager
def generations(
    data: Path, *, unix: bool, watch: bool = False, **settings: str
) -> Iterator[Generations]:
    """A service on ``data`` with ``settings``, and those that replace it; ``watch``: with a keeper.
    The block begins when it is ready."""
    with tempfile.TemporaryDirectory() as folder:  # a path that fits a socket's address
        path, port = Path(folder) / "http.sock", free_port()
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HOTSWAP_")}
        environment = inherited | {
            "HOTSWAP_DATA": str(data),
            "HOTSWAP_ADMIN_TOKEN": ADMIN_TOKEN,
            "HOTSWAP_WATCH": "1" if watch else "0",
            **({"HOTSWAP_UDS": str(path)} if unix else {"HOTSWAP_PORT": str(port)}),
            **settings,
        }
        target = (
            UnixTarget(str(path), ADMIN_TOKEN)
            if unix
            else Target(f"http://127.0.0.1:{port}", ADMIN_TOKEN)
        )
        service = Generations(data, target, environment, data.parent / "generations.log")
        service.start()
        try:
            service.wait_ready()
            yield service
        finally:
            service.end()
