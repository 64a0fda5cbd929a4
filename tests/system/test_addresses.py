"""The service at a Unix socket, and at a socket that systemd passes to it."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.generations import Generations, UnixConnection, generations
from tests.system.real_server import ADMIN_TOKEN, BIN, ROOT

pytestmark = pytest.mark.slow  # integration/cli has the sockets, each beside the real one

ACTIVATE = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
os.dup2(int(sys.argv[1]), 3)
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generations]:
    with generations(tmp_path_factory.mktemp("unix") / "data", unix=True) as service:
        yield service


def test_chunked_bodies_arrive_complete(service: Generations) -> None:
    for chunked in (False, True):
        connection = service.target.connect()
        body = json.dumps({"name": f"model-{chunked}".lower()}).encode()
        connection.request(
            "POST",
            "/models",
            body=iter([body[:5], body[5:]]) if chunked else body,
            headers=service.target.headers(),
            encode_chunked=chunked,
        )
        assert connection.getresponse().status == 201
        connection.close()


def test_an_incomplete_chunked_body_is_refused(service: Generations) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(service.target.url)
        client.sendall(
            b"POST /models HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\nAuthorization: Bearer %s\r\n\r\n"
            b'f\r\n{"name": "half"}\r\n' % ADMIN_TOKEN.encode()
        )
        client.shutdown(socket.SHUT_WR)
        client.settimeout(30)
        reply = client.recv(65536)

    assert reply.startswith(b"HTTP/1.1 400 ")
    assert service.status("/models/half") == 404


def test_the_host_forwarded_by_a_proxy_is_accepted(service: Generations) -> None:
    """``UnixConnection`` has models.example.com."""
    assert service.status("/models") == 200


def test_http_1_0_requests_without_a_host_are_answered(service: Generations) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(service.target.url)
        client.sendall(b"GET /docs HTTP/1.0\r\n\r\n")
        client.settimeout(30)
        assert client.recv(65536).startswith(b"HTTP/1.0 200 ")


def test_systemd_passes_a_socket_and_is_notified_of_start_and_stop(
    tmp_path: Path,
) -> None:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HOTSWAP_")}
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
    ):
        path = Path(folder) / "http.sock"
        listener.bind(os.fspath(path))
        listener.listen()
        systemd.bind(f"{folder}/notify")
        systemd.settimeout(120)
        serve = [BIN / "hotswap", "serve", "--workers", "2", "--data", tmp_path / "data"]
        process = subprocess.Popen(
            [sys.executable, "-c", ACTIVATE, str(listener.fileno()), *serve],
            cwd=ROOT,
            env=inherited | {"LISTEN_FDS": "1", "NOTIFY_SOCKET": f"{folder}/notify"},
            pass_fds=[listener.fileno()],
            stdout=subprocess.DEVNULL,
        )
        try:
            connection = UnixConnection(path)  # it waits in the socket until a worker is up
            connection.request("GET", "/livez")
            assert connection.getresponse().status == 200
            connection.close()
            assert systemd.recv(100) == b"READY=1"
            process.send_signal(signal.SIGHUP)
            assert systemd.recv(100).startswith(b"RELOADING=1\n")
            assert systemd.recv(100) == b"READY=1"
        finally:
            process.terminate()
            assert process.wait(60) == 0
        assert systemd.recv(100) == b"STOPPING=1"
        assert path.exists(), "the file is systemd's"
