"""Clients that are slow, break off, hold connections or ask for what is not there: real sockets."""

import json
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.system.real_server import Server

ROW = {"x0": 1.0, "x1": 2.0}
BODY = json.dumps(ROW).encode()
NAMES = 5_000


def head(server: Server, path: str = "/models/plane/predict", length: int = len(BODY)) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def connected(server: Server) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def answers(client: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """The status and the body of the next answers on this connection."""
    read = []
    with client.makefile("rb") as stream:
        for _ in range(count):
            status = int(stream.readline().split()[1])
            length = 0
            while (line := stream.readline()) not in {b"\r\n", b""}:
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            read.append((status, stream.read(length)))
    return read


def quick(server: Server) -> None:
    """Checks that other clients are not delayed."""
    began = time.monotonic()
    for _ in range(5):
        assert server.call("POST", "/models/plane/predict", json=ROW).status_code == 200
    assert time.monotonic() - began < 10, "who is held up waits until others go on"


def test_slow_clients_do_not_delay_others(single: Server) -> None:
    with ExitStack() as open_:
        slow = [open_.enter_context(connected(single)) for _ in range(20)]
        for client in slow:
            client.sendall(head(single) + BODY[:-2])
        quick(single)
        for last in (BODY[-2:-1], BODY[-1:]):
            time.sleep(1)
            quick(single)
            for client in slow:
                client.sendall(last)

        assert [answers(client, 1)[0][0] for client in slow] == [200] * 20


def test_an_incomplete_body_is_discarded(single: Server) -> None:
    for _ in range(40):
        with connected(single) as client:
            client.sendall(head(single) + BODY[:5])

    quick(single)


def test_a_client_that_closes_its_sending_side_gets_an_error(single: Server) -> None:
    with connected(single) as client:
        client.sendall(head(single) + BODY[:5])
        client.shutdown(socket.SHUT_WR)
        reply = client.recv(65536)

    assert reply == b"" or b" 400 " in reply.split(b"\r\n")[0]


def test_a_client_that_sends_all_of_a_refused_upload_before_it_reads_is_told_why(
    single: Server,
) -> None:
    length = 8 * 2**20
    refused = head(single, "/models/plane/versions", length).replace(b"Bearer ", b"Bearer wrong")
    with connected(single) as client:
        client.sendall(refused)
        client.sendall(bytes(length))

        assert answers(client, 1)[0][0] == 401


def test_idle_connections_do_not_delay_others(single: Server) -> None:
    with ExitStack() as open_:
        idle = [open_.enter_context(connected(single)) for _ in range(200)]
        quick(single)
        for client in (idle[0], idle[-1]):
            client.sendall(head(single) + BODY)
            assert answers(client, 1)[0][0] == 200


def test_pipelined_requests_are_answered_in_their_order(single: Server) -> None:
    asked = [
        head(single) + BODY,
        head(single, "/models/nobody/predict") + BODY,
        head(single, "/models/plane/9/predict") + BODY,
        head(single, length=3) + b"{x}",
        head(single, "/models/plane/1/predict") + BODY,
    ]
    with connected(single) as client:
        client.sendall(b"".join(asked))
        read = answers(client, len(asked))

    assert [status for status, _ in read] == [200, 404, 404, 400, 200]
    assert json.loads(read[0][1]) == {"model": "plane", "version": 1, "prediction": 100.0}


@pytest.mark.slow
def test_unknown_names_leave_no_trace_on_a_server(single: Server) -> None:
    (worker,) = single.workers()

    def ask(first: int, count: int) -> None:
        with connected(single) as client:
            for start in range(first, first + count, 50):
                paths = [
                    f"/models/nobody-{number}-{'x' * 90}/predict"
                    for number in range(start, start + 50)
                ]
                client.sendall(b"".join(head(single, path) + BODY for path in paths))
                assert {status for status, _ in answers(client, 50)} == {404}

    def metrics() -> set[str]:
        """Every series, without its value."""
        lines = single.call("GET", "/metrics").text.splitlines()
        return {line.rpartition(" ")[0] for line in lines}

    ask(0, 1000)  # what grows once, such as pools of connections and of memory
    single.call("GET", "/metrics")
    series, grown = metrics(), []
    for first in (1000, 1000 + NAMES, 1000 + 2 * NAMES):
        before = _resident(worker)
        ask(first, NAMES)
        grown.append(_resident(worker) - before)

    assert metrics() == series
    # A pool of memory may grow once, by 2 to 3 MB; what names leave would grow each time.
    assert min(grown) < 2 * 2**20, "400 bytes a name"


def _resident(pid: int) -> int:
    """Bytes of memory that the process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024
