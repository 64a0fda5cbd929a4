"""Bodies in chunks, whole and broken: a body that is not whole is refused, and nothing is kept.

granian's own stream ends in the same way for a body that broke off as for one that is whole.
"""

import json
import socket
import time

import pytest

from benchmarks.swap import constant_model
from tests.marks import each_once
from tests.system.models import iris_table, upload
from tests.system.raw_requests import Wire, exchange
from tests.system.real_server import Server

CSV = b"x0,x1\n1,2\n3,4\n"
ROW = b'{"x0": 1.0, "x1": 2.0}'
LAST = b"0\r\n\r\n"
FORM = b"multipart/form-data; boundary=b"


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%b\r\n%b\r\n" % (len(data), extension, data)


BREAKS = {
    "no more chunks": b"",
    "no end of the last chunk": b"0\r\n",
    "half a chunk": b"ff\r\nx",
    "half a size": b"f",
    "a size that is not a number": b"zz\r\nx\r\n" + LAST,
    "a size below zero": b"-1\r\nx\r\n" + LAST,
    "more than the size": b"1\r\nxyz\r\n" + LAST,
    "an extension that ends in a bare LF": b"1;\nx\r\n" + LAST,
    "a trailer that ends in a bare LF": b"0\r\nX: a\nY: b\r\n\r\n",
    "a bare LF in place of a trailer": b"0\r\n\n\r\n\r\n",
    "more extensions than are taken": chunk(b"\n", b";" + b"a" * 1000) * 17 + LAST,
}
"""What follows the content, in chunks that are good, instead of the last chunk."""


@pytest.fixture(scope="module")
def plane(server: Server) -> Server:
    """The server with a model of two inputs in production."""
    upload(server, "chunked", constant_model(100.0))
    server.call("POST", "/models/chunked/1/promote").raise_for_status()
    return server


def request(server: Server, target: str, content_type: bytes, body: bytes) -> bytes:
    method, path = target.split(" ")
    return (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
    ).encode() + b"Content-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n%b" % (content_type, body)


def form(artifact: bytes) -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="artifact"; filename="m.skops"\r\n\r\n'
    return part + artifact + b"\r\n--b--\r\n"


ROUTES = {
    "POST /models/chunked/predict": (b"text/csv", CSV),
    "POST /models/chunked/1/predict": (b"application/json", ROW),
    "POST /models/chunked/1/promote": (b"application/json", b'{"alias": "broken"}'),
    "POST /models/chunked/versions": (FORM, form(constant_model(1.0))),
    "PUT /models/chunked/holdout?target=species": (b"text/csv", iris_table()),
}


@pytest.mark.parametrize(("broken", "target"), each_once(BREAKS, ROUTES))
def test_a_broken_chunked_body_is_refused_and_discarded(
    plane: Server, target: str, broken: str
) -> None:
    content_type, content = ROUTES[target]
    sent = request(plane, target, content_type, chunk(content) + BREAKS[broken])

    with socket.create_connection(("127.0.0.1", plane.port), timeout=60) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    # A connection whose caller is gone may be closed without an answer.
    assert not answer or answer.startswith(b"HTTP/1.1 400 "), answer
    assert plane.call("GET", "/models/chunked/versions").json()["total"] == 1
    assert plane.call("GET", "/models/chunked/holdout").status_code == 404
    assert plane.call("GET", "/models/chunked/aliases").json()["total"] == 1


@pytest.mark.parametrize("target", ROUTES)
def test_a_malformed_chunk_is_answered_with_400(plane: Server, target: str) -> None:
    content_type, content = ROUTES[target]
    body = chunk(content) + BREAKS["a size that is not a number"]

    answers = exchange(plane.url, request(plane, target, content_type, body))

    assert answers.statuses == [400]
    assert answers.closed
    assert json.loads(answers.received.partition(b"\r\n\r\n")[2])["type"].endswith("body-malformed")


def test_a_complete_chunked_body_is_accepted_however_it_is_split(plane: Server) -> None:
    plain = (
        f"""POST /models/chunked/predict HTTP/1.1
Host: localhost
Authorization: Bearer {plane.token}
Content-Type: application/json
Content-Length: {len(ROW)}

""".replace("\n", "\r\n").encode()
        + ROW
    )
    target = "POST /models/chunked/1/predict"
    cut = b"".join(chunk(ROW[at : at + 5]) for at in range(0, len(ROW), 5))
    extended = b"%x;a=b\r\n%b\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(ROW), ROW)
    sent = (
        request(plane, target, b"application/json", cut + LAST)
        + plain
        + b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
        + request(plane, target, b"application/json", extended)
    )
    expected = [200] * 4

    for at in range(1, len(sent), 3):
        with socket.create_connection(("127.0.0.1", plane.port), timeout=60) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.sendall(sent[:at])
            time.sleep(0.0005)
            client.sendall(sent[at:])
            received = b""
            while received.count(b"HTTP/1.1 ") < 4 or not received.endswith(b"}"):
                part = client.recv(65536)
                assert part, (at, received)
                received += part
        statuses = [int(rest[:3]) for rest in received.split(b"HTTP/1.1 ")[1:]]
        assert statuses == expected, (at, received)
        assert received.count(b'"prediction":100.0') == 3


def test_pipelined_chunked_requests_are_answered_one_by_one(plane: Server) -> None:
    one = request(plane, "POST /models/chunked/1/predict", b"application/json", chunk(ROW) + LAST)
    count = 1000  # more than one buffer holds, and each is longer by the time granian reads it

    with socket.create_connection(("127.0.0.1", plane.port), timeout=60) as client:
        client.sendall(one * count)
        received = b""
        while received.count(b'"prediction":100.0') < count:
            part = client.recv(2**20)
            assert part, received[-1000:]
            received += part

    assert received.count(b"HTTP/1.1 200 ") == count


def test_a_large_chunked_body_is_accepted(plane: Server) -> None:
    table = b"x0,x1\n" + b"1,2\n" * 200_000
    chunks = b"".join(chunk(table[at : at + 1000]) for at in range(0, len(table), 1000))
    wire = Wire(plane.url)
    status, body = wire.ask(
        request(plane, "POST /models/chunked/1/predict", b"text/csv", chunks + LAST)
    )
    wire.close()

    assert status == 200
    assert len(json.loads(body)["predictions"]) == 200_000
