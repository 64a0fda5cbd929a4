"""One client sends our service 100,000 rows: how long it takes, and is the memory given back."""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from benchmarks.dialects import ARROW, HOTSWAP, JSON, arrow_body, as_numbers, inputs_body
from benchmarks.figures import LargeBatch
from benchmarks.memory import forget_peak, peak_mb, resident_mb
from benchmarks.pipelines import housing_like
from benchmarks.service import TOKEN, Service, ServiceRefused

ROWS = 100_000
FIRST_ROWS = 1_000
CALLS = 5
SETTLE_SECONDS = 2.0
FORMS: dict[str, tuple[str, Callable[[pd.DataFrame], bytes]]] = {
    "JSON by column": (JSON, inputs_body),
    "Arrow": (ARROW, arrow_body),
}


def measure(service: Service, housing: Pipeline) -> list[LargeBatch]:
    """Ask the service, which runs with one worker, in both forms."""
    table, _ = housing_like(ROWS, seed=5)
    expected = housing.predict(table)
    (worker,) = service.workers()
    return [_one_form(service, worker, form, table, expected) for form in FORMS]


def _one_form(
    service: Service, worker: int, form: str, table: pd.DataFrame, expected: np.ndarray
) -> LargeBatch:
    content_type, encode = FORMS[form]
    body = encode(table)
    # What a form of body makes the worker import is no memory of the batch.
    _ask(service, encode(table[:FIRST_ROWS]), content_type)
    forget_peak(worker)
    before = resident_mb(worker)
    took, unequal = [], 0
    for _ in range(CALLS):
        started = time.monotonic()
        found = _ask(service, body, content_type)
        took.append((time.monotonic() - started) * 1e3)
        unequal = max(unequal, int((found != expected).sum()))
    peak = peak_mb(worker)
    time.sleep(SETTLE_SECONDS)
    return LargeBatch(form, len(table), len(body), took, before, peak, resident_mb(worker), unequal)


def _ask(service: Service, body: bytes, content_type: str) -> np.ndarray:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": content_type}
    if content_type == ARROW:
        headers["Accept"] = ARROW
    connection = service.connect()
    try:
        connection.request("POST", "/models/housing/predict", body, headers)
        reply = connection.getresponse()
        said = reply.read()
    finally:
        connection.close()
    if reply.status != 200:
        raise ServiceRefused(f"{ROWS} rows as {content_type}: {reply.status} {said[:500]!r}")
    return as_numbers(HOTSWAP.answers(said, reply.headers["Content-Type"]))
