"""Measures how 500 slow request bodies of one client delay another client of the same worker.

    python -m benchmarks.slow_bodies [--seconds 10] [--port 8480] [--core N]

prints the latency of single rows on one connection, alone and while 500 other connections each send
a body in pieces, one a second, fast enough not to be closed. The goal: the 99th percentile with
them is at most 1.2 times the one alone.
"""

import argparse
import itertools
import multiprocessing
import resource
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import skops.io

from benchmarks.large_batches import single_rows
from benchmarks.pipelines import TRAINING_ROWS, housing_like, train_housing
from benchmarks.service import TOKEN, Service, promote, running_service, upload

BODIES = 500
PIECE = 2048
"""Bytes a second: twice the rate below which a body is refused."""
MOST = 1.2


@contextmanager
def slow_bodies(service: Service) -> Iterator[list[socket.socket]]:
    """Keep 500 bodies in progress until the block ends."""
    parts = urlsplit(service.url)
    head = (
        f"POST /models/housing/predict HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {1_000_000}\r\n\r\n"
    ).encode()
    with ExitStack() as opened:
        clients = [
            opened.enter_context(socket.create_connection((parts.hostname, parts.port)))
            for _ in range(BODIES)
        ]
        for client in clients:
            client.sendall(head)
        # In a separate process: a thread would add its own delays to the measured latency.
        sender = multiprocessing.get_context("fork").Process(target=_send, args=(clients,))
        sender.start()
        try:
            yield clients
        finally:
            sender.kill()
            sender.join()


def _send(clients: list[socket.socket]) -> None:
    """Send a piece on each connection in turn, each once a second."""
    began = time.monotonic()
    for turn in itertools.count():
        for place, client in enumerate(clients):
            time.sleep(max(0.0, began + turn + place / len(clients) - time.monotonic()))
            client.sendall(b" " * PIECE)


def still_open(clients: list[socket.socket]) -> int:
    """The number of connections that the server has neither answered nor closed."""
    count = 0
    for client in clients:
        client.setblocking(False)
        try:
            client.recv(1)
        except BlockingIOError:
            count += 1
    return count


def main() -> None:
    """Print both latencies, and whether the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds for each latency")
    parser.add_argument("--port", type=int, default=8480)
    parser.add_argument("--core", type=int, help="core of the worker (default: any)")
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    housing = train_housing(*housing_like(TRAINING_ROWS, seed=1))
    table, _ = housing_like(1_000, seed=5)
    with (
        tempfile.TemporaryDirectory(prefix="hotswap-slow-") as folder,
        running_service(1, arguments.port, Path(folder), core=arguments.core) as service,
    ):
        promote(service, "housing", upload(service, "housing", skops.io.dumps(housing)))
        single_rows(service, table, arguments.seconds / 2)
        alone = single_rows(service, table, arguments.seconds)
        with slow_bodies(service) as clients:
            beside = single_rows(service, table, arguments.seconds)
            kept = still_open(clients)
        again = single_rows(service, table, arguments.seconds)
    print(f"{kept} of {BODIES} slow bodies were still in progress at the end.")
    for title, (median, p99) in (("alone", alone), ("loaded", beside), ("alone", again)):
        print(f"one row, {title:6}: median {median:.3f} ms, p99 {p99:.3f} ms")
    ratio = beside[1] / ((alone[1] + again[1]) / 2)
    reached = "met" if ratio <= MOST else "MISSED"
    print(f"p99 with slow bodies: {ratio:.2f} times; goal at most {MOST:g}: {reached}.")


if __name__ == "__main__":
    main()
