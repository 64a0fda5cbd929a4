"""How the real server reads a request's target, its method and the names of its fields.

Each case is sent to the fast path, which answers predictions, and to Flask; in `make test-slow`
under gunicorn too.
"""

import gzip
from collections.abc import Iterator

import pytest

from benchmarks.swap import constant_model
from tests.system.models import upload
from tests.system.raw_requests import exchange
from tests.system.real_server import BIN, Server, free_port, running

PATHS = {"fast path": "/models/headed/predict", "Flask": "/models/headed/1/promote"}
BODIES = {"fast path": b'{"x0": 1.0, "x1": 2.0}', "Flask": b"{}"}


@pytest.fixture(
    scope="module", params=["hotswap serve", pytest.param("gunicorn", marks=pytest.mark.slow)]
)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with a model of two inputs in production."""
    if request.param == "hotswap serve":
        server: Server = request.getfixturevalue("server")
        yield with_model(server)
        return
    port = free_port()
    command = [BIN / "gunicorn", "wsgi:app", "-b", f"127.0.0.1:{port}"]
    with running(command, tmp_path_factory.mktemp("gunicorn") / "data", port) as server:
        yield with_model(server)


def with_model(server: Server) -> Server:
    upload(server, "headed", constant_model(100.0))
    server.call("POST", "/models/headed/1/promote").raise_for_status()
    return server


def status(
    server: Server,
    layer: str,
    *,
    method: str = "POST",
    origin: str = "",
    fields: str = "Host: localhost\r\n",
    body: bytes | None = None,
) -> list[int]:
    """The statuses of the answers to one request; ``origin`` precedes the path in its target."""
    body = BODIES[layer] if body is None else body
    head = (
        f"{method} {origin}{PATHS[layer]} HTTP/1.1\r\n{fields}Authorization: Bearer {server.token}"
        f"\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return exchange(server.url, head.encode() + body).statuses


@pytest.mark.parametrize("layer", PATHS)
@pytest.mark.parametrize(
    ("origin", "host", "answer"),
    [
        ("", "localhost", 200),
        ("http://localhost", "localhost", 200),
        ("HTTPS://LocalHost:80", "localhost:80", 200),
        ("http://evil.example", "localhost", 400),
        ("http://evil.example", "evil.example", 400),
        ("http://localhost", "evil.example", 400),
        ("http://localhost:81", "localhost", 400),
        ("http://localhost@evil.example", "localhost", 400),
        ("http://evil.example?", "localhost", 400),
        ("http://localhost." + "a" * 200, "localhost", 400),
        ("http://", "localhost", 400),
        ("http:/", "localhost", 400),
        ("ftp://localhost", "localhost", 400),
        ("localhost", "localhost", 400),
    ],
)
def test_an_absolute_target_must_match_the_host_header(
    service: Server, layer: str, origin: str, host: str, answer: int
) -> None:
    """A proxy may route by the authority of the target, which replaces Host (RFC 9112, 3.2.2)."""
    assert status(service, layer, origin=origin, fields=f"Host: {host}\r\n") == [answer]


@pytest.mark.parametrize("layer", PATHS)
def test_an_absolute_target_does_not_replace_a_missing_host(service: Server, layer: str) -> None:
    assert status(service, layer, origin="http://localhost", fields="") == [400]


@pytest.mark.parametrize("layer", PATHS)
@pytest.mark.parametrize("method", ["post", "Post", "poST"])
def test_methods_are_case_sensitive(service: Server, layer: str, method: str) -> None:
    """RFC 9110, 9.1. gunicorn answers 400 itself."""
    assert status(service, layer, method=method) in ([405], [400])


@pytest.mark.parametrize("layer", PATHS)
def test_a_field_with_an_underscore_in_its_name_is_ignored(service: Server, layer: str) -> None:
    """WSGI has one variable for Content_Encoding and Content-Encoding."""
    plain, packed = BODIES[layer], gzip.compress(BODIES[layer])
    with_underscore = "Host: localhost\r\nContent_Encoding: gzip\r\n"
    with_both = with_underscore + "Content-Encoding: identity\r\nContent_Length: 1\r\n"

    assert status(service, layer, fields=with_underscore, body=plain) == [200]
    assert status(service, layer, fields=with_underscore, body=packed) == [400]
    assert status(service, layer, fields=with_both, body=plain) == [200]
    assert status(service, layer, fields="H_st: a\r\nHost: localhost\r\nHo_st: b\r\n") == [200]


@pytest.mark.parametrize("layer", PATHS)
def test_a_forwarded_field_with_an_underscore_is_ignored(service: Server, layer: str) -> None:
    """A proxy that replaces X-Forwarded-For may pass on X_Forwarded_For."""
    fields = "X_Forwarded_For: 192.0.2.1\r\nHost: localhost\r\nHTTP_Authorization: x\r\n"

    assert status(service, layer, fields=fields) == [200]
