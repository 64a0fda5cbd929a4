"""Workers end and are replaced under load; nothing is lost but what a killed one had in hand."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest

from benchmarks.swap import Target, constant_model, swap
from benchmarks.swap_record import check
from tests.system.load import predicting
from tests.system.models import upload
from tests.system.real_server import Server, wait_until

BODY_SIZE = 1000
LIVENESS = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
SWAPPED = "swapped"
"""A model of two versions."""


@pytest.fixture(scope="module", autouse=True)
def versions(_hardy_server: Server) -> dict[int, object]:
    """What each version of ``SWAPPED`` answers. They are uploaded before any worker is replaced: a
    new one would first have to start the process that looks at uploads."""
    return {
        upload(_hardy_server, SWAPPED, constant_model(value))["version"]: value
        for value in (100.0, 200.0)
    }


@pytest.mark.slow  # test_workers.py has a replacement
def test_sighup_replaces_every_worker_and_loses_nothing(hardy_server: Server) -> None:
    before = set(hardy_server.workers())
    with predicting(hardy_server) as load:
        hardy_server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: _replaced(hardy_server, before) == 2, "no new workers came")

    assert load.failed == []
    assert len(load.replies) > 100


@pytest.mark.slow
def test_a_worker_that_receives_sigterm_loses_no_request_and_is_replaced(
    hardy_server: Server,
) -> None:
    before = hardy_server.workers()
    with predicting(hardy_server) as load:
        os.kill(before[0], signal.SIGTERM)
        wait_until(lambda: _replaced(hardy_server, set(before)) == 1, "no new worker came")

    assert load.failed == []
    assert before[1] in hardy_server.workers()


@pytest.mark.slow
def test_connections_wait_while_no_worker_is_alive(
    hardy_server: Server,
) -> None:
    for worker in hardy_server.workers():
        os.kill(worker, signal.SIGKILL)

    assert hardy_server.call("GET", "/livez").status_code == 200


@pytest.mark.slow
def test_a_worker_killed_before_it_is_ready_does_not_end_the_service(
    hardy_server: Server,
) -> None:
    first = set(hardy_server.workers())
    os.kill(min(first), signal.SIGKILL)
    wait_until(lambda: _replaced(hardy_server, first) == 1, "no new worker came")
    os.kill(next(iter(set(hardy_server.workers()) - first)), signal.SIGKILL)

    wait_until(lambda: len(hardy_server.workers()) == 2, "no new worker came")
    assert hardy_server.process.poll() is None
    assert hardy_server.call("GET", "/livez").status_code == 200


@pytest.mark.slow
def test_connections_wait_for_the_successor_of_a_worker_that_was_stopped_while_it_started(
    hardy_server: Server,
) -> None:
    before = set(hardy_server.workers())
    os.kill(min(before), signal.SIGKILL)
    wait_until(lambda: _replaced(hardy_server, before) == 1, "no new worker came")
    with ExitStack() as open_:
        clients = [open_.enter_context(_connected(hardy_server)) for _ in range(10)]
        for client in clients:
            client.sendall(LIVENESS)
        starting = next(iter(set(hardy_server.workers()) - before))

        os.kill(starting, signal.SIGTERM)

        assert [client.recv(4096)[:13] for client in clients] == [b"HTTP/1.1 200 "] * 10


@pytest.mark.slow
def test_unfinished_bodies_do_not_delay_a_replacement(hardy_server: Server) -> None:
    before = set(hardy_server.workers())
    with _sending_slowly(hardy_server) as clients:
        for worker in before:  # as SIGHUP tells them, one after the other
            os.kill(worker, signal.SIGTERM)
        _check_refused(clients)
        wait_until(lambda: _replaced(hardy_server, before) == 2, "no new workers came")


@pytest.mark.slow
def test_unfinished_bodies_do_not_delay_a_stop(own_server: Server) -> None:
    with _sending_slowly(own_server) as clients:
        own_server.process.send_signal(signal.SIGTERM)
        clients[-1].sendall(b" " * BODY_SIZE)  # it comes late, but it comes
        assert clients.pop().recv(4096).startswith(b"HTTP/1.1 400 ")
        _check_refused(clients)
        own_server.process.wait(30)


@pytest.mark.slow
def test_a_killed_worker_breaks_only_its_own_connections(
    hardy_server: Server, versions: dict[int, object]
) -> None:
    before = hardy_server.workers()
    threading.Timer(1.0, os.kill, (before[0], signal.SIGKILL)).start()

    replies, moves = swap(
        Target(hardy_server.url, hardy_server.token, SWAPPED),
        versions,
        moves=20,
        connections=8,
        pause=0.05,
        steady=0.5,
    )

    broken = [reply for reply in replies if reply.status == 0]
    verdict = check([reply for reply in replies if reply.status != 0], moves, versions)
    assert verdict.clean, f"{verdict.failed[:3]} {verdict.stale[:3]} {verdict.backwards[:3]}"
    assert len(broken) <= 8
    wait_until(
        lambda: len(set(hardy_server.workers()) - set(before)) == 1, "no worker came in its place"
    )


@pytest.mark.slow  # integration/live/test_fleet.py has who is waited for
def test_a_promotion_does_not_wait_for_a_dead_worker(
    hardy_server: Server, versions: dict[int, object]
) -> None:
    victim = hardy_server.workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in hardy_server.workers(), "it lives on")

    promoted = hardy_server.call("POST", f"/models/{SWAPPED}/2/promote")

    assert promoted.status_code == 200
    assert promoted.elapsed.total_seconds() < 20, "less than a worker that hangs is given"


@contextmanager
def _sending_slowly(server: Server) -> Iterator[list[socket.socket]]:
    """Connections that sent a part of a body each, to any of the workers that serve."""
    head = (
        "POST /models HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Length: {BODY_SIZE + 1}\r\n\r\n{{"
    ).encode()
    with ExitStack() as open_:
        clients = [open_.enter_context(_connected(server)) for _ in range(6)]
        for client in clients:
            _reach_worker(client)
            client.sendall(head)
        time.sleep(0.5)
        yield clients


def _connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def _reach_worker(client: socket.socket) -> None:
    """Have a request answered; the connection may wait for a worker that is starting."""
    client.sendall(LIVENESS)
    answer = b""
    while not answer.endswith(b"}\n"):
        piece = client.recv(4096)
        assert piece, f"closed after {answer!r}"
        answer += piece


def _check_refused(clients: list[socket.socket]) -> None:
    for client in clients:
        answer = b"".join(iter(partial(client.recv, 4096), b""))
        head, _, problem = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: " in head.lower()
        assert b"connection: close" in head.lower()
        assert json.loads(problem)["type"] == "/problems/body-unfinished"


def _replaced(server: Server, before: set[int]) -> int:
    """How many of the workers are new; 0 while there are more or fewer than two."""
    now = set(server.workers())
    return len(now - before) if len(now) == 2 else 0
