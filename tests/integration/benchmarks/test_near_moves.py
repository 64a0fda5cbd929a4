"""The client of benchmarks.near_moves keeps its rate and notes what it is answered."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.near_moves import PacedClient, request_of
from benchmarks.swap import Target

PREDICTED = b'{"version": 3, "prediction": 7.5}'


class Predicts(BaseHTTPRequestHandler):
    """Answers every second request with 503."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    asked = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked += 1
        fails = self.asked % 2 == 0
        head = f"HTTP/1.1 {503 if fails else 200} X\r\nX-Model-Version: 3\r\n"
        body = b"" if fails else PREDICTED
        self.wfile.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


@pytest.fixture
def target() -> Iterator[Target]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Predicts) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield Target(f"http://127.0.0.1:{server.server_port}", "token")
        server.shutdown()
        serving.join()


def test_each_connection_sends_a_request_every_pause(target: Target) -> None:
    address = ("127.0.0.1", int(target.url.rpartition(":")[2]))
    with PacedClient(address, request_of(target), connections=2, pause=0.1) as client:
        client.run(time.monotonic() + 1.05)

    assert 14 <= len(client.replies) <= 22
    assert {reply.client for reply in client.replies} == {0, 1}
    assert all(reply.end > reply.start for reply in client.replies)


def test_answers_are_noted_with_their_status_version_and_prediction(target: Target) -> None:
    address = ("127.0.0.1", int(target.url.rpartition(":")[2]))
    with PacedClient(address, request_of(target), connections=1, pause=0.02) as client:
        client.run(time.monotonic() + 0.3)

    noted = {(r.status, r.version, r.header_version, r.prediction) for r in client.replies}
    assert noted == {(200, 3, 3, 7.5), (503, 0, 3, None)}
