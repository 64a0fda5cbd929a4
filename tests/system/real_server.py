"""The real server, started as a user starts it, on a free port."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
ADMIN_TOKEN = "admin-token-of-the-system-tests-0123456789"
START_SECONDS = 120


@dataclass(frozen=True)
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    url: str
    data: Path
    log: Path
    token: str = ADMIN_TOKEN

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def call(self, method: str, path: str, **kwargs: object) -> requests.Response:
        """Call a route as admin, on a connection of its own, so that any worker may answer."""
        headers = {"Authorization": f"Bearer {self.token}", **kwargs.pop("headers", {})}
        return requests.request(method, f"{self.url}{path}", headers=headers, timeout=60, **kwargs)

    def hotswap(self, *arguments: str, **kwargs: object) -> subprocess.CompletedProcess[str]:
        """Run the command against this server."""
        return subprocess.run(
            [BIN / "hotswap", *arguments],
            env={
                **os.environ,
                "HOTSWAP_URL": self.url,
                "HOTSWAP_TOKEN": self.token,
                "HOTSWAP_DATA": str(self.data),
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            **kwargs,
        )

    def workers(self) -> list[int]:
        """The process ids of the workers, in no order."""
        children = subprocess.run(
            ["pgrep", "-P", str(self.process.pid), "-f", "spawn_main|gunicorn"],
            capture_output=True,
            text=True,
            check=False,
        )
        return [int(pid) for pid in children.stdout.split()]


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: list[str | Path], data: Path, port: int, *, cwd: Path = ROOT, **environment: str
) -> Iterator[Server]:
    """Run ``command`` in the directory ``cwd`` until the block ends.

    The block begins when the server is ready.
    """
    log = data.parent / f"{data.name}.log"
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("HOTSWAP_")}
    settings = {
        "HOTSWAP_DATA": str(data),
        "HOTSWAP_PORT": str(port),
        "HOTSWAP_ADMIN_TOKEN": ADMIN_TOKEN,
        "HOTSWAP_WATCH": "0",  # few tests need it, and it takes a core for a second to start
        **environment,
    }
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**inherited, **settings},
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(process, f"http://127.0.0.1:{port}", data, log)
    try:
        wait_until(lambda: _is_ready(server), f"the server is not ready:\n{log.read_text()}")
        yield server
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until(holds: Callable[[], bool], otherwise: str, seconds: float = START_SECONDS) -> None:
    """Ask again and again; fails with ``otherwise`` when the time is up."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(otherwise)
        time.sleep(0.05)


def _is_ready(server: Server) -> bool:
    if server.process.poll() is not None:
        pytest.fail(f"the server ended:\n{server.log.read_text()}")
    try:
        return requests.get(f"{server.url}/readyz", timeout=10).status_code == 200
    except (requests.ConnectionError, requests.Timeout):
        return False
