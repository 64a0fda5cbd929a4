"""Measures what open pages of the console cost the worker that answers predictions.

    python -m benchmarks.console_polling [--pages 8] [--seconds 4] [--pairs 6]

A service with one worker on one core answers predictions of single rows as fast as it can, by turns
with and without open pages, each of which requests its content every ten seconds as a browser does.
Before, the CPU time of such a request is measured alone.
"""

import argparse
import http.client
import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from statistics import median

from benchmarks.console import get, sign_in
from benchmarks.console_pages import MODEL
from benchmarks.dialects import Request
from benchmarks.growth_registry import small_model
from benchmarks.launching import on_cores
from benchmarks.load import drive
from benchmarks.service import TOKEN, Service, promote, running_service, upload

EVERY_SECONDS = 10.0
_MODEL = "model"
_PATH = MODEL.format(model=_MODEL)
_POLLS = 300
_CONNECTIONS = 8
_ROWS = 1000
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU time that the process has used, in user and system mode."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS


def poll(connection: http.client.HTTPConnection, headers: Mapping[str, str], tag: str = "") -> str:
    """Request the content as a page does that shows the one with this ETag; the new ETag."""
    known = {"If-None-Match": tag} if tag else {}
    reply, _ = get(connection, _PATH, {**headers, "HX-Request": "true", **known})
    return reply.headers["ETag"]


def milliseconds_of_a_poll(service: Service, *, changed: bool) -> float:
    """CPU milliseconds of the worker for a request that finds something new, or nothing."""
    headers, (worker,) = sign_in(service), service.workers()
    with closing(service.connect()) as connection:
        tag = poll(connection, headers)
        before = cpu_seconds(worker)
        for _ in range(_POLLS):
            poll(connection, headers, "" if changed else tag)
        return (cpu_seconds(worker) - before) / _POLLS * 1e3


@contextmanager
def open_pages(service: Service, pages: int) -> Iterator[None]:
    """This many pages of the console are open until the block ends; their requests alternate."""
    headers, closed = sign_in(service), threading.Event()

    def request() -> None:
        tags, turn = [""] * pages, 0
        while not closed.wait(EVERY_SECONDS / pages):
            with closing(service.connect()) as connection:
                tags[turn] = poll(connection, headers, tags[turn])
            turn = (turn + 1) % pages

    thread = threading.Thread(target=request)
    thread.start()
    try:
        yield
    finally:
        closed.set()
        thread.join()


def predictions(service: Service, port: int, seconds: int) -> tuple[float, float]:
    """Predictions a second, and CPU microseconds of the worker for each."""
    (worker,) = service.workers()
    before = cpu_seconds(worker)
    load = drive(port, _requests(port), connections=_CONNECTIONS, seconds=seconds, core=1)
    if load.wrong:
        raise SystemExit(load.wrong)
    return load.per_second, (cpu_seconds(worker) - before) / load.requests * 1e6


def _requests(port: int) -> Sequence[bytes]:
    found = []
    for index in range(_ROWS):
        row = {f"x{column}": float(index + column) for column in range(4)}
        request = Request(f"/models/{_MODEL}/predict", json.dumps(row).encode())
        found.append(request.wire(port, TOKEN))
    return found


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--port", type=int, default=8482)
    arguments = parser.parse_args()
    with running_service(1, arguments.port, core=0) as service, on_cores({1}):
        promote(service, _MODEL, upload(service, _MODEL, small_model(1)))
        for changed, words in ((False, "nothing new (304)"), (True, "something new (200)")):
            cost = milliseconds_of_a_poll(service, changed=changed)
            print(f"a request of an open page that finds {words}: {cost:.2f} ms of CPU")
        found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
        for pair in range(arguments.pairs):
            for is_open in (bool(pair % 2), not pair % 2):
                with open_pages(service, arguments.pages) if is_open else nullcontext():
                    found[is_open].append(predictions(service, arguments.port, arguments.seconds))
    for is_open, values in found.items():
        rate, cpu = (median(one) for one in zip(*values, strict=True))
        pages = f"{arguments.pages if is_open else 0} pages open"
        print(f"{pages}: {rate:,.0f} predictions/s, {cpu:.1f} µs of CPU each (medians)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
