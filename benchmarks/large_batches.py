"""Time and memory for 100,000 rows in one body, and the latency of other requests meanwhile.

    python -m benchmarks.large_batches [--seconds 5] [--port 8470] [--core N] [--write]

prints for each form of body the latency of single rows on the same worker, with and without a
client that sends such bodies without pause, and the memory of the worker while 16 such bodies
arrive at the same time. ``--write`` replaces the section of RESULTS.md.
"""

import argparse
import gc
import http.client
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from sklearn.pipeline import Pipeline

from benchmarks.dialects import (
    ARROW,
    CSV,
    HOTSWAP,
    JSON,
    PARQUET,
    Request,
    arrow_body,
    as_numbers,
    csv_body,
    inputs_body,
    instances_body,
    parquet_body,
    records_body,
)
from benchmarks.figures import LargeBatch, ParallelBodies
from benchmarks.growth_report import place
from benchmarks.memory import forget_peak, peak_mb, resident_mb
from benchmarks.pipelines import TRAINING_ROWS, housing_like, train_housing
from benchmarks.report import large_section
from benchmarks.service import TOKEN, Service, ServiceRefused, promote, running_service, upload

ROWS = 100_000
RESULTS = Path(__file__).with_name("RESULTS.md")
FIRST_ROWS = 1_000
CALLS = 5
SETTLE_SECONDS = 2.0
SINGLE_SECONDS = 5.0
ROWS_PER_SECOND = 250
PARALLEL = 16
PARALLEL_BYTES = 15_000_000
SETTINGS = {"HOTSWAP_MAX_PREDICT_MB": "64"}
"""100,000 records are 20 MB of JSON."""
PATH = "/models/housing/predict"
FORMS: dict[str, tuple[str, Callable[[pd.DataFrame], bytes]]] = {
    "JSON lists": (JSON, instances_body),
    "JSON records": (JSON, records_body),
    "JSON by column": (JSON, inputs_body),
    "CSV": (CSV, csv_body),
    "Arrow": (ARROW, arrow_body),
    "Parquet": (PARQUET, parquet_body),
}


def measure(
    service: Service, housing: Pipeline, seconds: float = SINGLE_SECONDS
) -> list[LargeBatch]:
    """Send every form to the service, which runs with one worker and ``SETTINGS``."""
    table, _ = housing_like(ROWS, seed=5)
    expected = housing.predict(table)
    single_rows(service, table, seconds / 5)
    return [_one_form(service, form, table, expected, seconds) for form in FORMS]


def _one_form(
    service: Service, form: str, table: pd.DataFrame, expected: np.ndarray, seconds: float
) -> LargeBatch:
    (worker,) = service.workers()
    content_type, encode = FORMS[form]
    large = _request(content_type, encode(table))
    # Modules that the worker imports for a form of body do not count as memory of the batch.
    _ask(service, _request(content_type, encode(table[:FIRST_ROWS])))
    forget_peak(worker)
    before = resident_mb(worker)
    took, unequal = [], 0
    for _ in range(CALLS):
        started = time.monotonic()
        found = _ask(service, large)
        took.append((time.monotonic() - started) * 1e3)
        unequal = max(unequal, int((found != expected).sum()))
    peak = peak_mb(worker)
    time.sleep(SETTLE_SECONDS)
    after = resident_mb(worker)
    alone = single_rows(service, table, seconds)
    with _sent_without_pause(service, large):
        beside = single_rows(service, table, seconds)
    return LargeBatch(
        form, len(table), len(large.body), took, before, peak, after, unequal, alone, beside
    )


def measure_parallel(service: Service) -> ParallelBodies:
    """Send large CSV bodies at the same time; the service has one worker and ``SETTINGS``."""
    (worker,) = service.workers()
    few, _ = housing_like(ROWS, seed=5)
    rows = PARALLEL_BYTES * len(few) // len(csv_body(few))
    table, _ = housing_like(rows, seed=6)
    large = _request(CSV, csv_body(table))
    forget_peak(worker)
    before = resident_mb(worker)
    with ThreadPoolExecutor(PARALLEL) as senders:
        statuses = list(senders.map(lambda _: _status(service, large), range(PARALLEL)))
    peak = peak_mb(worker)
    time.sleep(SETTLE_SECONDS)
    return ParallelBodies(
        *("CSV", len(large.body), statuses.count(200), statuses.count(503)),
        *(before, peak, resident_mb(worker)),
    )


def _status(service: Service, request: Request) -> int:
    connection = service.connect()
    try:
        connection.request("POST", request.path, request.body, request.headers(TOKEN))
        reply = connection.getresponse()
        reply.read()
    finally:
        connection.close()
    if reply.status not in {200, 503}:
        raise ServiceRefused(f"{request.content_type}: {reply.status}")
    return reply.status


def _request(content_type: str, body: bytes) -> Request:
    return Request(PATH, body, content_type, ARROW if content_type == ARROW else "")


def _ask(service: Service, request: Request) -> np.ndarray:
    connection = service.connect()
    try:
        said, answered_as = _answer(connection, request)
    finally:
        connection.close()
    return as_numbers(HOTSWAP.answers(said, answered_as))


def _answer(connection: http.client.HTTPConnection, request: Request) -> tuple[bytes, str]:
    """The response's body and content type. Raises ServiceRefused."""
    connection.request("POST", request.path, request.body, request.headers(TOKEN))
    reply = connection.getresponse()
    said = reply.read()
    if reply.status != 200:
        raise ServiceRefused(f"{request.content_type}: {reply.status} {said[:500]!r}")
    return said, reply.headers["Content-Type"]


def single_rows(service: Service, table: pd.DataFrame, seconds: float) -> tuple[float, float]:
    """The latency of single rows on one connection: median and 99th percentile, in milliseconds.

    Requests are scheduled at a steady rate, and latency counts from the scheduled time: a worker
    that stops for a second delays all requests scheduled in it, not only the one in progress.
    """
    requests = [_request(JSON, records_body(table[at : at + 1])) for at in range(1_000)]
    connection = service.connect()
    took = []
    gc.disable()  # garbage collection in this process is not part of the latency
    try:
        began = time.perf_counter()
        for number in range(int(seconds * ROWS_PER_SECOND)):
            due = began + number / ROWS_PER_SECOND
            time.sleep(max(0.0, due - time.perf_counter()))
            _answer(connection, requests[number % len(requests)])
            took.append((time.perf_counter() - due) * 1e3)
    finally:
        gc.enable()
        connection.close()
    return statistics.median(took), float(np.percentile(took, 99))


@contextmanager
def _sent_without_pause(service: Service, request: Request) -> Iterator[None]:
    """Send the request repeatedly from a separate process until the block ends."""
    sender = multiprocessing.get_context("fork").Process(target=_send, args=(service, request))
    sender.start()
    try:
        time.sleep(1.0)  # until the first request is in progress
        yield
        if not sender.is_alive():
            raise ServiceRefused(f"{request.content_type}: the large bodies were not answered")
    finally:
        sender.kill()
        sender.join()


def _send(service: Service, request: Request) -> None:
    connection = service.connect()
    while True:
        _answer(connection, request)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--seconds", type=float, default=SINGLE_SECONDS, help="seconds for each latency"
    )
    parser.add_argument("--port", type=int, default=8470)
    parser.add_argument("--core", type=int, help="core of the worker (default: any)")
    parser.add_argument("--data", type=Path, help="data directory, kept for the next run")
    parser.add_argument("--write", action="store_true", help="update RESULTS.md too")
    arguments = parser.parse_args()
    housing = train_housing(*housing_like(TRAINING_ROWS, seed=1))
    with tempfile.TemporaryDirectory(prefix="hotswap-large-") as folder:
        data = arguments.data or Path(folder)
        if not (data / "registry.db").exists():
            with running_service(1, arguments.port, data) as service:
                promote(service, "housing", upload(service, "housing", skops.io.dumps(housing)))
        with running_service(
            1, arguments.port, data, core=arguments.core, settings=SETTINGS
        ) as service:
            forms = measure(service, housing, arguments.seconds)
            section = large_section(forms, measure_parallel(service))
    print(section)
    if arguments.write:
        RESULTS.write_text(place(RESULTS.read_text(), f"{section}\n"))


if __name__ == "__main__":
    main()
