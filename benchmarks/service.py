"""Starts the service for a measurement as a user does, and calls it."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from benchmarks.launching import launched

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "token-of-the-benchmarks-0123456789abcdef"  # noqa: S105 - good for one run on this machine
CALL_SECONDS = 120


class Reachable(Protocol):
    """A service that a connection can be made to, and an admin token of it."""

    @property
    def token(self) -> str:
        """The token."""

    def connect(self) -> http.client.HTTPConnection:
        """Create a new connection."""


class ServiceRefused(Exception):
    """The service answered with an unexpected status; the message contains the response."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running service, and the seconds until it was ready."""

    url: str
    process: "subprocess.Popen[bytes]"
    data: Path
    seconds_to_ready: float
    token: str = TOKEN

    def workers(self) -> list[int]:
        """The process ids of the workers, unordered."""
        found = subprocess.run(  # noqa: S603 - a command of ours
            ["/usr/bin/pgrep", "-P", str(self.process.pid), "-f", "spawn_main"],
            capture_output=True,
            text=True,
            check=False,
        )
        return [int(pid) for pid in found.stdout.split()]

    def connect(self) -> http.client.HTTPConnection:
        """Create a new connection."""
        parts = urlsplit(self.url)
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=CALL_SECONDS)


@contextmanager
def running_service(
    workers: int,
    port: int,
    data: Path | None = None,
    *,
    core: int | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """Run the service, on ``core`` if given, until the block ends.

    The block begins when the service is ready. Raises ServerFailed.
    """
    with tempfile.TemporaryDirectory(prefix="hotswap-benchmark-") as own:
        folder = data or Path(own) / "data"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HOTSWAP_")}
        environment = {
            **inherited,
            "HOTSWAP_ADMIN_TOKEN": TOKEN,
            "HOTSWAP_DATA": str(folder),
            "HOTSWAP_PORT": str(port),
            "HOTSWAP_WORKERS": str(workers),
            "HOTSWAP_LOG_LEVEL": "warning",
            **(settings or {}),
        }
        command = [Path(sys.executable).parent / "hotswap", "serve"]
        url = f"http://127.0.0.1:{port}"
        with launched(
            command, f"{url}/readyz", cwd=ROOT, environment=environment, core=core
        ) as running:
            yield Service(url, running.process, folder, running.seconds_to_ready)


def call(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    token: str = TOKEN,
) -> dict[str, Any]:
    """Send a request with the admin token and return the response. Raises ServiceRefused."""
    sent = {"Authorization": f"Bearer {token}", **(headers or {})}
    connection.request(method, path, body or None, sent)
    reply = connection.getresponse()
    said = reply.read()
    if reply.status not in {200, 201}:
        raise ServiceRefused(f"{method} {path}: {reply.status} {said[:2000]!r}")
    answer: dict[str, Any] = json.loads(said)
    return answer


def upload(service: Reachable, model: str, artifact: bytes) -> int:
    """Register a skops artifact and return the version's number. Raises ServiceRefused."""
    boundary = "7e5a0d0c2f"
    body = b"".join(
        (
            f"--{boundary}\r\nContent-Disposition: form-data; name=artifact; ".encode(),
            b"filename=model.skops\r\n\r\n",
            artifact,
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    connection = service.connect()
    try:
        answer = call(
            connection, "POST", f"/models/{model}/versions", body, headers, token=service.token
        )
    finally:
        connection.close()
    number: int = answer["version"]
    return number


def promote(service: Reachable, model: str, number: int) -> None:
    """Promote a version to production. Raises ServiceRefused."""
    connection = service.connect()
    try:
        call(connection, "POST", f"/models/{model}/{number}/promote", token=service.token)
    finally:
        connection.close()
