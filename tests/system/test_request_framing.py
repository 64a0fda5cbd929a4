"""How the real server handles requests of ambiguous length, and endless heads.

Where a proxy and the server disagree on where a request ends, somebody can hide a second one in the
first (request smuggling). Each case sends one request whose doubtful body is a request for
``/smuggled``; the server's own record of what it answered shows whether it took the bait.
"""

import socket
import time

import pytest

from tests.system.raw_requests import exchange
from tests.system.real_server import Server

HOST = b"Host: 127.0.0.1\r\n"
SMUGGLED = b"GET /version HTTP/1.1\r\n" + HOST + b"\r\n"
"""Answered with 200 and a body that nothing else has."""
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LAST = b"0\r\n\r\n"


def post(headers: bytes, body: bytes, version: bytes = b"1.1") -> bytes:
    return b"POST /nowhere HTTP/" + version + b"\r\n" + HOST + headers + b"\r\n" + body


def length(text: bytes) -> bytes:
    return b"Content-Length: " + text + b"\r\n"


def closing(request: bytes) -> bytes:
    """The request with a header that ends the connection after the answer."""
    return request.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n"


IN_DOUBT = {
    "length before chunks": (post(length(b"6") + CHUNKED, LAST + SMUGGLED), 400),
    "chunks before length": (post(CHUNKED + length(b"6"), LAST + SMUGGLED), 400),
    "length of it all, chunks end it": (post(length(b"99") + CHUNKED, LAST + SMUGGLED), 400),
    "two lengths": (post(length(b"0") + length(b"5"), b"hello" + SMUGGLED), 400),
    "two lengths in one": (post(length(b"5, 5"), b"hello" + SMUGGLED), 400),
    "a length with a sign": (post(length(b"+5"), b"hello" + SMUGGLED), 400),
    "a length below nothing": (post(length(b"-1"), SMUGGLED), 400),
    "a length in hexadecimal": (post(length(b"0x5"), b"hello" + SMUGGLED), 400),
    "a length of 23 digits": (post(length(b"9" * 23), SMUGGLED), 400),
    "chunked, identity": (post(b"Transfer-Encoding: chunked, identity\r\n", LAST + SMUGGLED), 400),
    "chunked and, apart, identity": (
        post(CHUNKED + b"Transfer-Encoding: identity\r\n", LAST + SMUGGLED),
        400,
    ),
    "identity and a length": (
        post(b"Transfer-Encoding: identity\r\n" + length(b"5"), b"hello" + SMUGGLED),
        400,
    ),
    "chunked twice": (post(CHUNKED * 2, LAST + SMUGGLED), 400),
    "chunked twice in one": (
        post(b"Transfer-Encoding: chunked, chunked\r\n", LAST + SMUGGLED),
        400,
    ),
    "gzip and chunked": (post(b"Transfer-Encoding: gzip, chunked\r\n", LAST + SMUGGLED), 400),
    "gzip and, apart, chunked": (
        post(b"Transfer-Encoding: gzip\r\n" + CHUNKED, LAST + SMUGGLED),
        400,
    ),
    "an unknown coding": (post(b"Transfer-Encoding: xchunked\r\n", LAST + SMUGGLED), 400),
    "a space before the colon": (
        post(b"Transfer-Encoding : chunked\r\n" + length(b"5"), LAST + SMUGGLED),
        400,
    ),
    "a folded line": (
        post(b"Transfer-Encoding:\r\n chunked\r\n" + length(b"5"), LAST + SMUGGLED),
        400,
    ),
    "a vertical tab": (post(b"Transfer-Encoding:\x0bchunked\r\n", LAST + SMUGGLED), 400),
    "chunks in HTTP/1.0": (post(CHUNKED, LAST + SMUGGLED, version=b"1.0"), 400),
    "a bare CR in a value": (post(b"X: a\r" + CHUNKED + length(b"5"), LAST + SMUGGLED), 400),
    "a NUL in a value": (post(b"X: a\0b\r\n", SMUGGLED), 400),
    "a chunk of negative size": (post(CHUNKED, b"-5\r\nhello\r\n" + LAST + SMUGGLED), 404),
    "a chunk's size with 0x": (post(CHUNKED, b"0x5\r\nhello\r\n" + LAST + SMUGGLED), 404),
    "a chunk's size past 64 bits": (post(CHUNKED, b"F" * 17 + b"\r\n" + SMUGGLED), 404),
    "a chunk that ends with a bare LF": (post(CHUNKED, b"5\nhello\n0\n\n" + SMUGGLED), 404),
    "a bare LF in a chunk's extension": (
        post(CHUNKED, b"5;\nhello\r\n" + LAST + SMUGGLED),
        404,
    ),
}
"""The bytes, and what the first and only answer is. 404 says that the head was understood; then the
connection is closed, so what follows it is read by nobody."""


@pytest.mark.parametrize("case", IN_DOUBT)
def test_ambiguous_framing_smuggles_no_request(server: Server, case: str) -> None:
    sent, status = IN_DOUBT[case]

    answers = exchange(server.url, sent)

    assert answers.statuses == [status]
    assert b'"schema"' not in answers.received
    assert answers.closed


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (length(b"%d" % len(SMUGGLED)), SMUGGLED),
        (length(b"5") * 2, b"hello"),
        (CHUNKED, b"5;name=value\r\nhello\r\n" + LAST),
        (CHUNKED, b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n"),
        (b"Content_Length: 3\r\nTransfer_Encoding: chunked\r\n" + length(b"5"), b"hello"),
    ],
)
def test_an_unambiguous_length_ends_the_body(server: Server, headers: bytes, body: bytes) -> None:
    follower = closing(SMUGGLED.replace(b"/version", b"/livez"))

    answers = exchange(server.url, post(headers, body) + follower)

    # A body in chunks that nobody read ends the connection instead.
    assert answers.statuses == [404, 200] or (answers.statuses == [404] and answers.closed)
    assert b'"schema"' not in answers.received


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /version HTTP/1.1\r\n\r\n", 400),
        (b"GET /version HTTP/1.1\r\nHost: \r\n\r\n", 400),
        (b"GET /version HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /version HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400),
        (b"GET http://evil.example/version HTTP/1.1\r\n\r\n", 400),
        (b"GET /version HTTP/1.0\r\n\r\n", 200),
        (b"GET /livez HTTP/1.1\r\nHost: 10.0.0.7:8000\r\n\r\n", 200),
        (b"GET /livez HTTP/1.1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /readyz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET /readyz HTTP/1.0\r\n\r\n", 200),
    ],
)
def test_a_request_must_name_one_allowed_host(server: Server, sent: bytes, status: int) -> None:
    assert exchange(server.url, closing(sent)).statuses == [status]


@pytest.mark.parametrize("path", ["/models/iris/predict", "/models", "/nowhere"])
def test_a_refused_body_is_not_requested_with_100_continue(server: Server, path: str) -> None:
    head = post(b"Expect: 100-continue\r\n" + length(b"2"), b"").replace(b"/nowhere", path.encode())

    answers = exchange(server.url, head)

    assert answers.statuses == [404 if path == "/nowhere" else 401]
    assert answers.closed


def test_an_accepted_body_is_requested_with_100_continue(server: Server) -> None:
    head = (
        f"POST /models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(head)
        assert client.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"{}")
        assert client.recv(1024).startswith(b"HTTP/1.1 422 ")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /livez HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 2**18 + b"\r\n\r\n", 431),
        (b"GET /livez HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 110 + b"\r\n", 431),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"G@T / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET / HTTP/9.9\r\n" + HOST + b"\r\n", 400),
    ],
)
def test_an_oversized_request_head_is_refused(server: Server, sent: bytes, status: int) -> None:
    answers = exchange(server.url, sent)

    assert answers.statuses == [status]
    assert answers.closed


def test_http_2_is_not_supported(server: Server) -> None:
    answers = exchange(server.url, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")

    assert answers.closed
    assert b"\0\0" not in answers.received


@pytest.mark.slow  # granian waits ten seconds
def test_an_incomplete_request_head_times_out(server: Server) -> None:
    port = server.port
    with socket.create_connection(("127.0.0.1", port)) as client:
        began = time.monotonic()
        client.sendall(b"GET /livez HTTP/1.1\r\n" + HOST)
        client.settimeout(60)

        received = b"".join(iter(lambda: client.recv(1024), b""))

        assert time.monotonic() - began > 8
        assert b"200" not in received


def test_responses_do_not_name_the_server_release(server: Server) -> None:
    head = exchange(server.url, closing(SMUGGLED)).head

    assert b"server: granian\r\n" in head + b"\r\n"
    assert b"x-content-type-options: nosniff" in head
    assert b"cache-control: no-store" in head
