"""Times predictions near promotions, at a rate that leaves the service idle most of the time.

    python -m benchmarks.near_moves [--seconds 30] [--connections 8] [--pause 0.008]

``benchmarks.swap`` keeps both cores busy, so most of a latency there is the wait for a core. Here
one process without threads sends a request on each connection every ``pause`` seconds, while an
alias moves between two versions. Where it may, it takes precedence over the service, so that only
the service is measured. Every response is checked as in ``benchmarks.swap``; exits with 1 if one is
wrong.
"""

import argparse
import heapq
import json
import multiprocessing
import os
import select
import socket
import sys
import time
from contextlib import suppress
from itertools import cycle
from typing import Self
from urllib.parse import urlsplit

from benchmarks.service import TOKEN, running_service, upload
from benchmarks.swap import OWN, Target, constant_model, report
from benchmarks.swap_moves import promoted
from benchmarks.swap_record import Reply, check

WARM_UP_SECONDS = 2.0
STEADY_SECONDS = 4.0
LONGEST_SECONDS = 60.0
GAP_SECONDS = 0.12
_LONGEST_ANSWER = 65536
_REAL_TIME = 50


class PacedClient:
    """Sends ``request`` on each of ``connections`` connections every ``pause`` seconds."""

    def __init__(self, address: tuple[str, int], request: bytes, connections: int, pause: float):
        self.replies: list[Reply] = []
        self._request, self._pause = request, pause
        self._waiting = select.epoll()
        self._begun = [0.0] * connections
        self._sockets = [socket.create_connection(address) for _ in range(connections)]
        self._numbers = {one.fileno(): number for number, one in enumerate(self._sockets)}
        for one in self._sockets:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._waiting.register(one, select.EPOLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in (*self._sockets, self._waiting):
            one.close()

    def run(self, stop: float) -> None:
        """Send and receive until the time ``stop``. Raises ConnectionError."""
        now = time.monotonic()
        apart = self._pause / len(self._sockets)
        due = [(now + number * apart, number) for number in range(len(self._sockets))]
        while (now := time.monotonic()) < stop:
            while due and due[0][0] <= now:
                start, one = heapq.heappop(due)
                self._begun[one] = start
                self._sockets[one].sendall(self._request)
            wait = min(due[0][0] if due else stop, stop) - now
            for descriptor, _ in self._waiting.poll(max(0.0, wait)):
                one = self._numbers[descriptor]
                end = self._receive(one)
                heapq.heappush(due, (max(end, self._begun[one] + self._pause), one))

    def _receive(self, one: int) -> float:
        """Note the response on a connection; the time at which it had arrived.

        Raises ConnectionError where the service has closed the connection.
        """
        answer = self._sockets[one].recv(_LONGEST_ANSWER)
        end = time.monotonic()
        if not answer:
            raise ConnectionError(f"connection {one} was closed")
        head, _, content = answer.partition(b"\r\n\r\n")
        status = int(head[9:12] or 0)
        named = int(head.lower().partition(b"x-model-version: ")[2].partition(b"\r\n")[0] or 0)
        version, prediction = OWN.read(json.loads(content), named) if status == 200 else (0, None)
        self.replies.append(Reply(one, self._begun[one], end, status, version, named, prediction))
        return end


def request_of(target: Target) -> bytes:
    """A prediction by alias, as it is sent."""
    host = urlsplit(target.url).netloc
    fields = {**target.headers(), "Host": host, "Content-Length": str(len(OWN.body))}
    lines = [f"POST {OWN.path.format(model=target.model)} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + OWN.body


def _measure(
    target: Target,
    connections: int,
    pause: float,
    stop: float,
    results: "multiprocessing.Queue[list[Reply]]",
) -> None:
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_REAL_TIME))
    parts = urlsplit(target.url)
    address = (parts.hostname or "", parts.port or 80)
    with PacedClient(address, request_of(target), connections, pause) as client:
        client.run(stop)
    results.put(client.replies)


def main() -> int:
    """Measure; 0 if no response was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30, help="how long the alias moves")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--pause", type=float, default=0.008, help="seconds")
    parser.add_argument("--port", type=int, default=8450)
    arguments = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[Reply]] = spawn.Queue()
    with running_service(workers=2, port=arguments.port) as service:
        target = Target(service.url, TOKEN)
        answers: dict[int, object] = {
            upload(service, target.model, constant_model(value)): value for value in (100.0, 200.0)
        }
        numbers = cycle(sorted(answers))
        moves = [promoted(target, 0, next(numbers)) for _ in answers][-1:]
        stop = time.monotonic() + WARM_UP_SECONDS + STEADY_SECONDS + arguments.seconds
        client = spawn.Process(
            target=_measure,
            args=(target, arguments.connections, arguments.pause, stop, results),
        )
        client.start()
        time.sleep(WARM_UP_SECONDS + STEADY_SECONDS)
        while time.monotonic() < stop:
            moves.append(promoted(target, 0, next(numbers)))
            time.sleep(GAP_SECONDS)
        replies = results.get(timeout=LONGEST_SECONDS)
        client.join()
    replies = [one for one in replies if one.start > moves[1].start - STEADY_SECONDS]
    verdict = check(replies, moves, answers)
    print(report(verdict, replies, moves))
    return 0 if verdict.clean else 1


if __name__ == "__main__":
    sys.exit(main())
