"""Slow callers, and callers that hold connections, do not delay others: real sockets."""

import json
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from cli.connections import CONNECTIONS, SPARE_CONNECTIONS
from tests.system.raw_requests import exchange
from tests.system.real_server import BIN, ROOT, Server, free_port, running, wait_until

ROW = {"x0": 1.0, "x1": 2.0}
BODY = json.dumps(ROW).encode()
PREDICT = "/models/plane/predict"
LONG_ANSWER = "/docs/static/vendor/swagger-ui/swagger-ui-bundle.js"
LONG_ANSWER_SIZE = (ROOT / f"api{LONG_ANSWER.removeprefix('/docs')}").stat().st_size
SLOW = 500


def new_token(server: Server) -> str:
    made = server.call("POST", "/tokens", json={"name": "slow", "scopes": ["predict"]})
    return str(made.json()["token"])


def beginning(token: str, body: bytes = BODY[:5]) -> bytes:
    return (
        f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(BODY)}\r\n\r\n"
    ).encode() + body


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def small_window(server: Server) -> socket.socket:
    """A connection on which the server cannot send much ahead of the client."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(30)
    client.connect(("127.0.0.1", server.port))
    return client


@pytest.mark.slow  # test_bad_connections.py has 20 of them
def test_slow_bodies_of_one_token_do_not_delay_others(single: Server) -> None:
    token = new_token(single)
    with ExitStack() as open_:
        slow = [open_.enter_context(connected(single)) for _ in range(SLOW)]
        for client in slow:
            client.sendall(beginning(token))

        for _ in range(20):
            assert single.call("POST", PREDICT, json=ROW).status_code == 200
        assert single.call("GET", "/readyz").status_code == 200
        for client in slow:
            client.sendall(BODY[5:])

        statuses = {client.recv(4096).split(b" ")[1] for client in slow}
    assert statuses == {b"200"}


def test_one_token_cannot_occupy_all_connections(single: Server) -> None:
    token = new_token(single)
    with ExitStack() as open_:
        for _ in range(SLOW + 12):
            open_.enter_context(connected(single)).sendall(beginning(token))
        time.sleep(1)
        refused = exchange(single.url, beginning(token))
        other = single.call("POST", PREDICT, json=ROW)
        at_once = exchange(single.url, beginning(token, BODY))

    assert refused.statuses == [503]
    assert b"retry-after: " in refused.head
    assert refused.closed
    assert other.status_code == 200
    assert at_once.statuses == [200], "a body that is there already takes no place"


@pytest.mark.slow
def test_a_body_below_the_minimum_speed_is_refused(single: Server) -> None:
    slow, steady = b"x" * 100, b"x" * 5000
    head = beginning(single.token, b"").replace(b"Content-Length: 22", b"Content-Length: 120000")
    with connected(single) as trickle, connected(single) as stream:
        trickle.settimeout(0.01)
        trickle.sendall(head)
        stream.sendall(head)
        began, received = time.monotonic(), b""
        ended = began
        for _ in range(24):
            stream.sendall(steady)
            if not received:
                trickle.sendall(slow)
                try:
                    received = trickle.recv(4096)
                    ended = time.monotonic()
                except TimeoutError:
                    pass
            time.sleep(1)
        trickle.settimeout(30)
        assert trickle.recv(4096) == b""
        answer = stream.recv(4096)

    assert ended - began > 18
    head, _, problem = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head.lower()
    assert json.loads(problem)["type"] == "/problems/body-too-slow"
    assert answer.startswith(b"HTTP/1.1 400 "), "it came, and is no JSON"


@pytest.mark.slow
def test_connections_with_unread_responses_are_closed_and_others_are_not(
    single: Server,
) -> None:
    request = f"GET {LONG_ANSWER} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with ExitStack() as open_:
        steady = open_.enter_context(small_window(single))
        others = [open_.enter_context(small_window(single)) for _ in range(CONNECTIONS - 1)]
        steady.sendall(request)
        for client in others:
            client.sendall(request * 6)
        refused = exchange(single.url, beginning(single.token, BODY), patience=5)
        began, read = time.monotonic(), b""
        while time.monotonic() < began + 45:
            read += steady.recv(4096)
            time.sleep(1)
        answered = exchange(single.url, beginning(single.token, BODY), patience=5)
        head, _, body = read.partition(b"\r\n\r\n")
        while len(body) < LONG_ANSWER_SIZE and (part := steady.recv(65536)):
            body += part

    assert refused.statuses == [503]
    assert answered.statuses == [200]
    assert head.startswith(b"HTTP/1.1 200 ")
    assert len(body) == LONG_ANSWER_SIZE


@pytest.mark.slow
def test_unread_responses_leave_file_descriptors_for_other_requests(tmp_path: Path) -> None:
    """Each that is sent from a file keeps it open."""
    request = f"GET {LONG_ANSWER} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    short = b"GET /docs/static/docs.js HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    command = ["prlimit", "--nofile=1600:1600", BIN / "hotswap", "serve", "--workers", "1"]
    logged = {"HOTSWAP_ACCESS_LOG": "1"}
    with (
        running(command, tmp_path / "data", free_port(), **logged) as server,
        ExitStack() as open_,
    ):
        for _ in range(CONNECTIONS):
            client = open_.enter_context(small_window(server))
            with suppress(ConnectionError):  # refused
                client.sendall(request * 6)
        refused = exchange(server.url, short, patience=5)
        answered = -1
        while answered < (answered := server.log.read_text().count("answered")):
            time.sleep(1)

    assert refused.statuses == [503]
    assert '"status": 200' in server.log.read_text()
    assert '"status": 50' not in server.log.read_text()


@pytest.mark.slow
def test_health_checks_are_answered_when_all_connections_are_in_use(
    single: Server,
) -> None:
    probe = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    (worker,) = single.workers()
    wait_until(
        lambda: len(list(Path(f"/proc/{worker}/fd").iterdir())) < 200,
        "the connections of earlier tests stay open",
    )
    with ExitStack() as open_:
        for _ in range(CONNECTIONS):
            open_.enter_context(connected(single)).sendall(b"GET /livez HTTP/1.1\r\n")
        wait_until(
            lambda: exchange(single.url, beginning(single.token, BODY)).statuses == [503],
            "the connections are not counted",
        )
        probed = exchange(single.url, probe * 2)
        began = time.monotonic()
        refused = exchange(single.url, beginning(single.token, BODY))
        took = time.monotonic() - began

    assert probed.statuses == [200, 200]
    assert refused.statuses == [503]
    assert b"retry-after: " in refused.head
    assert json.loads(refused.received.partition(b"\r\n\r\n")[2])["status"] == 503
    assert refused.closed
    assert took < 10, "nobody's request is waited for"
    assert single.call("POST", PREDICT, json=ROW).status_code == 200, "they are given back"


@pytest.mark.slow  # a thousand connections; test_one_token… has as many
def test_connections_beyond_the_reserve_are_refused_without_being_read(
    single: Server,
) -> None:
    with ExitStack() as open_:
        for _ in range(CONNECTIONS):
            open_.enter_context(connected(single)).sendall(b"GET /livez HTTP/1.1\r\n")
        silent = [open_.enter_context(connected(single)) for _ in range(SPARE_CONNECTIONS + 20)]
        answers = [client.recv(4096) for client in silent]

    assert sum(answer.startswith(b"HTTP/1.1 503 ") for answer in answers) >= 20
    assert set(answers) - {b""} == {max(answers)}, "the others are closed when they ask for nothing"
