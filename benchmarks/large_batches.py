"""100,000 rows in one body: how long they take, what memory they need, and who waits for them.

    python -m benchmarks.large_batches [--seconds 5] [--port 8470] [--core N] [--write]

prints, for each form of body, the latency of single rows on the same worker while one client sends
such bodies without a pause, beside their latency when nothing else is sent; and what the worker
takes of memory while 16 such bodies arrive at the same time. ``--write`` replaces the section of
RESULTS.md.
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
    Question,
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
    """Ask the service, which runs with one worker and ``SETTINGS``, in every form."""
    table, _ = housing_like(ROWS, seed=5)
    expected = housing.predict(table)
    single_rows(service, table, seconds / 5)
    return [_one_form(service, form, table, expected, seconds) for form in FORMS]


def _one_form(
    service: Service, form: str, table: pd.DataFrame, expected: np.ndarray, seconds: float
) -> LargeBatch:
    (worker,) = service.workers()
    content_type, encode = FORMS[form]
    large = _question(content_type, encode(table))
    # What a form of body makes the worker import is no memory of the batch.
    _ask(service, _question(content_type, encode(table[:FIRST_ROWS])))
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
    """Send the service, which runs with one worker and ``SETTINGS``, large CSV bodies at once."""
    (worker,) = service.workers()
    few, _ = housing_like(ROWS, seed=5)
    rows = PARALLEL_BYTES * len(few) // len(csv_body(few))
    table, _ = housing_like(rows, seed=6)
    large = _question(CSV, csv_body(table))
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


def _status(service: Service, question: Question) -> int:
    connection = service.connect()
    try:
        connection.request("POST", question.path, question.body, question.headers(TOKEN))
        reply = connection.getresponse()
        reply.read()
    finally:
        connection.close()
    if reply.status not in {200, 503}:
        raise ServiceRefused(f"{question.content_type}: {reply.status}")
    return reply.status


def _question(content_type: str, body: bytes) -> Question:
    return Question(PATH, body, content_type, ARROW if content_type == ARROW else "")


def _ask(service: Service, question: Question) -> np.ndarray:
    connection = service.connect()
    try:
        said, answered_as = _answer(connection, question)
    finally:
        connection.close()
    return as_numbers(HOTSWAP.answers(said, answered_as))


def _answer(connection: http.client.HTTPConnection, question: Question) -> tuple[bytes, str]:
    """The reply's body and its content type. Raises ServiceRefused."""
    connection.request("POST", question.path, question.body, question.headers(TOKEN))
    reply = connection.getresponse()
    said = reply.read()
    if reply.status != 200:
        raise ServiceRefused(f"{question.content_type}: {reply.status} {said[:500]!r}")
    return said, reply.headers["Content-Type"]


def single_rows(service: Service, table: pd.DataFrame, seconds: float) -> tuple[float, float]:
    """The latency of single rows on one connection: median and 99 of 100, in milliseconds.

    They are due at a steady rate, and late from then on: a worker that stops for a second delays
    all that were due in it, not just the one that was on its way.
    """
    questions = [_question(JSON, records_body(table[at : at + 1])) for at in range(1_000)]
    connection = service.connect()
    took = []
    gc.disable()  # the collector of this process is no part of the latency
    try:
        began = time.perf_counter()
        for number in range(int(seconds * ROWS_PER_SECOND)):
            due = began + number / ROWS_PER_SECOND
            time.sleep(max(0.0, due - time.perf_counter()))
            _answer(connection, questions[number % len(questions)])
            took.append((time.perf_counter() - due) * 1e3)
    finally:
        gc.enable()
        connection.close()
    return statistics.median(took), float(np.percentile(took, 99))


@contextmanager
def _sent_without_pause(service: Service, question: Question) -> Iterator[None]:
    """Send the question again and again from a process of its own until the block ends."""
    sender = multiprocessing.get_context("fork").Process(target=_send, args=(service, question))
    sender.start()
    try:
        time.sleep(1.0)  # the first is under way
        yield
        if not sender.is_alive():
            raise ServiceRefused(f"{question.content_type}: the large bodies were not answered")
    finally:
        sender.kill()
        sender.join()


def _send(service: Service, question: Question) -> None:
    connection = service.connect()
    while True:
        _answer(connection, question)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=SINGLE_SECONDS, help="for each latency")
    parser.add_argument("--port", type=int, default=8470)
    parser.add_argument("--core", type=int, help="the worker's; any, if left out")
    parser.add_argument("--data", type=Path, help="a data directory to keep for the next time")
    parser.add_argument("--write", action="store_true", help="to RESULTS.md as well")
    asked = parser.parse_args()
    housing = train_housing(*housing_like(TRAINING_ROWS, seed=1))
    with tempfile.TemporaryDirectory(prefix="hotswap-large-") as folder:
        data = asked.data or Path(folder)
        if not (data / "registry.db").exists():
            with running_service(1, asked.port, data) as service:
                promote(service, "housing", upload(service, "housing", skops.io.dumps(housing)))
        with running_service(1, asked.port, data, core=asked.core, settings=SETTINGS) as service:
            forms = measure(service, housing, asked.seconds)
            section = large_section(forms, measure_parallel(service))
    print(section)
    if asked.write:
        RESULTS.write_text(place(RESULTS.read_text(), f"{section}\n"))


if __name__ == "__main__":
    main()
