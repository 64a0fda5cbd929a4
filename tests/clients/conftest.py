"""A real server with the demo models, for clients of other systems in an environment of their own.

``make test-clients`` runs them in .venv-clients and its like, the server in .venv.
"""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADMIN_TOKEN = "hsw_admin-token-of-the-client-tests-0123456789"
START_SECONDS = 180
IRIS = [[5.1, 3.5, 1.4, 0.2], [7.7, 2.6, 6.9, 2.3]]


@dataclass(frozen=True)
class House:
    """A server; ``token`` has the scope ``predict``."""

    address: str
    token: str

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def headers(self) -> dict[str, str]:
        """A new dictionary: clients write into it."""
        return {"Authorization": f"Bearer {self.token}"}

    def predict(self, model: str, body: Any, query: str = "") -> Any:
        """What the service's own route answers."""
        return call(f"{self.url}/models/{model}/predict{query}", self.token, body)


def call(url: str, token: str, body: Any = None) -> Any:
    """GET, or POST ``body`` as JSON; the response's JSON."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server
        return json.load(answer)


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """With another model, of numbers and texts."""
    with running(tmp_path_factory.mktemp("clients")) as started:
        train(started.url)
        yield started


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[House]:
    """A server with the demo models and ``settings``, its data in ``folder``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "HOTSWAP_DATA": str(folder / "data"),
        "HOTSWAP_PORT": str(port),
        "HOTSWAP_ADMIN_TOKEN": ADMIN_TOKEN,
        **settings,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [ROOT / ".venv/bin/hotswap", "serve", "--demo", "--workers", "1"],
            env=environment,
            stdout=log,
            stderr=log,
        )
    address = f"127.0.0.1:{port}"
    try:
        wait_until_ready(process, f"http://{address}/readyz", folder / "log")
        body = {"name": "caller", "scopes": ["predict"]}
        token = call(f"http://{address}/tokens", ADMIN_TOKEN, body)["token"]
        yield House(address, token)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def train(url: str) -> None:
    """Train and promote a model of numbers and texts, named house-prices."""
    recipe = ROOT / "examples/house-prices/recipe.toml"
    subprocess.run(
        [ROOT / ".venv/bin/hotswap", "train", "--recipe", recipe, "--promote"],
        env={**os.environ, "HOTSWAP_URL": url, "HOTSWAP_TOKEN": ADMIN_TOKEN},
        check=True,
        timeout=START_SECONDS,
    )


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own server
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not start: {log.read_text()[-2000:]}")
