"""examples/behind-a-proxy: nginx in front of one route of the service."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests

from tests.examples import EXAMPLES, PROXIED, plain_model
from tests.system.example_pages import follow
from tests.system.real_server import BIN, Server, free_port, running, wait_until

pytestmark = pytest.mark.slow  # make deploy-check installs nginx, and runs this


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A service that trusts nginx."""
    serve = [BIN / "hotswap", "serve", "--workers", "1"]
    trust = {"HOTSWAP_TRUSTED_PROXIES": "127.0.0.1"}
    with running(serve, tmp_path / "data", free_port(), **trust) as started:
        yield started


@contextmanager
def proxy(server: Server, folder: Path) -> Iterator[str]:
    """nginx with the configuration of the example in front of ``server``; its address."""
    address = f"127.0.0.1:{free_port()}"
    text = (EXAMPLES / PROXIED.folder / "nginx.conf").read_text()
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
    (folder / "own.conf").write_text(text.replace("127.0.0.1:8080", address))
    options = ["-p", folder, "-c", folder / "own.conf", "-e", "error.log", "-g", "daemon off;"]
    with subprocess.Popen(["nginx", *options]) as nginx:
        try:
            wait_until(lambda: answers(f"http://{address}"), "nginx does not answer")
            yield f"http://{address}"
        finally:
            nginx.terminate()


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=30).status_code == 404
    except requests.ConnectionError:
        return False


def test_callers_reach_the_model_and_nothing_else(server: Server, tmp_path: Path) -> None:
    try:
        follow(PROXIED, server, tmp_path, port="8080")
    finally:  # where a command failed before nginx was stopped
        with suppress(FileNotFoundError):
            os.kill(int((tmp_path / "build" / "nginx" / "nginx.pid").read_text()), signal.SIGTERM)
    rows = PROXIED.rows()
    caller = {"Authorization": f"Bearer {server.token}"}

    with proxy(server, tmp_path) as url:
        body = {"X": rows.to_numpy().tolist()}
        reply = requests.post(f"{url}/predict", json=body, headers=caller, timeout=30)
        anonymous = requests.post(f"{url}/predict", json=body, timeout=30)
        hidden = requests.get(f"{url}/models", headers=caller, timeout=30)

    assert reply.json()["predictions"] == plain_model(PROXIED).predict(rows).tolist()
    assert anonymous.status_code == 401
    assert hidden.status_code == 404
