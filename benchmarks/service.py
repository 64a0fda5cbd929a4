"""Starts the service for a measurement, the way a user starts it."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "token-of-the-benchmarks-0123456789abcdef"  # noqa: S105 - good for one run on this machine
PATIENCE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Service:
    """A running service, and how long it took to be ready."""

    url: str
    process: subprocess.Popen[bytes]
    data: Path
    seconds_to_ready: float

    def workers(self) -> list[int]:
        """The process ids of the workers, in no order."""
        found = subprocess.run(  # noqa: S603 - a command of ours
            ["/usr/bin/pgrep", "-P", str(self.process.pid), "-f", "spawn_main"],
            capture_output=True,
            text=True,
            check=False,
        )
        return [int(pid) for pid in found.stdout.split()]


@contextmanager
def running_service(workers: int, port: int, data: Path | None = None) -> Iterator[Service]:
    """Run the service until the block ends; the block begins when it is ready."""
    with tempfile.TemporaryDirectory(prefix="hotswap-benchmark-") as own:
        folder = data or Path(own) / "data"
        environment = {
            **os.environ,
            "HOTSWAP_ADMIN_TOKEN": TOKEN,
            "HOTSWAP_DATA": str(folder),
            "HOTSWAP_PORT": str(port),
            "HOTSWAP_WORKERS": str(workers),
            "HOTSWAP_LOG_LEVEL": "warning",
        }
        began = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - our own command
            [Path(sys.executable).parent / "hotswap", "serve"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_until_ready(process, url, began + PATIENCE_SECONDS)
            yield Service(url, process, folder, time.monotonic() - began)
        finally:
            process.terminate()
            process.wait(30)


def upload(service: Service, model: str, artifact: bytes) -> int:
    """Register a skops artifact and return its number."""
    boundary = "7e5a0d0c2f"
    body = b"".join(
        (
            f"--{boundary}\r\nContent-Disposition: form-data; name=artifact; ".encode(),
            b"filename=model.skops\r\n\r\n",
            artifact,
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )
    request = Request(  # noqa: S310 - the service's own address
        f"{service.url}/models/{model}/versions",
        data=body,
        headers={
            "Authorization": f"Bearer {TOKEN}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        },
    )
    with urlopen(request, timeout=60) as reply:  # noqa: S310 - the same
        number: int = json.loads(reply.read())["version"]
    return number


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, deadline: float) -> None:
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError("the service ended before it was ready")
        try:
            with urlopen(f"{url}/readyz", timeout=2):  # noqa: S310 - the same
                return
        except (URLError, OSError):
            time.sleep(0.02)
    raise TimeoutError("the service is not ready")
