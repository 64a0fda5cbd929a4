"""Times what it costs to count a prediction by version, alias and outcome.

First the counting alone: two readings of the clock and the append, as in the prediction endpoint,
and the thread that adds the times to the shared counts. Then whole predictions of different rows in
process, through the fast path and through Flask, with and without counting in turn.

    python -m benchmarks.telemetry [--rounds 60]
"""

import argparse
import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from flask import Flask
from sklearn.linear_model import LinearRegression

from api.app import create_app
from api.fast_path import PREDICT, PredictionFastPath
from api.hosts import Hosts
from api.predict import PredictionEndpoint
from api.services import services
from api.telemetry import current_telemetry
from benchmarks.launching import on_cores
from benchmarks.service import TOKEN
from config import Settings
from registry.live.pool import LoadedVersion
from registry.watching.predictions import NoPredictionCounts, PredictionCounts

TARGET_MICROSECONDS = 0.5
COLUMNS = 4
BATCH = 2_000
"""Predictions of a round, and of a flush."""

Environ = dict[str, Any]


def main() -> int:
    """Print the figures; 1 if counting costs more than the target."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.telemetry")
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    core = max(os.sched_getaffinity(0))
    with on_cores({core}), tempfile.TemporaryDirectory(prefix="hotswap-telemetry-") as folder:
        app = create_app(
            Settings(data=Path(folder) / "data", admin_token=TOKEN, log_level="warning")
        )
        _register(app)
        append, flush = _counting(app, rounds)
        print(f"counting, on the request's thread:  {append:6.3f} µs a prediction")
        print(f"counting, on the flushing thread:   {flush:6.3f} µs a prediction")
        for name, with_counts, without in _doors(app):
            on, off = in_turn(with_counts, without, rounds)
            difference = statistics.median(a - b for a, b in zip(on, off, strict=True))
            print(
                f"{name:10} {statistics.median(off):7.2f} µs a prediction, "
                f"counted {statistics.median(on):7.2f} µs, difference {difference:+.3f} µs"
            )
        with app.app_context():
            services().close()
            current_telemetry().close()
    missed = append + flush > TARGET_MICROSECONDS
    print(f"target, both threads: {TARGET_MICROSECONDS} µs, {'missed' if missed else 'met'}")
    return int(missed)


def _register(app: Flask) -> None:
    """Register a small linear model and promote it."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(50, COLUMNS))
    artifact = skops.io.dumps(LinearRegression().fit(rows, rows @ rng.normal(size=COLUMNS)))
    client = app.test_client()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    form = {"artifact": (io.BytesIO(artifact), "model.skops")}
    answers = (
        client.post("/models/linear/versions", data=form, headers=headers),
        client.post("/models/linear/1/promote", headers=headers),
    )
    for answer in answers:
        if answer.status_code not in {200, 201}:
            raise SystemExit(answer.text)


def _counting(app: Flask, rounds: int) -> tuple[float, float]:
    """Microseconds a prediction: of the request's thread, and of the flush."""
    with app.app_context():
        counts, loaded = current_telemetry().predictions, services().watch.resolve("linear", "1")
    assert isinstance(counts, PredictionCounts)
    appends, flushes = [], []
    for _ in range(rounds):
        empty = timed(_nothing)
        appends.append(timed(lambda: _count(counts, loaded)) - empty)
        flushes.append(timed(counts.flush))
    return statistics.median(appends), statistics.median(flushes)


def _count(counts: PredictionCounts, loaded: LoadedVersion) -> None:
    clock = time.perf_counter
    for _ in range(BATCH):
        began = clock()
        counts.answered(loaded, "production", clock() - began, 1)


def _nothing() -> None:
    for _ in range(BATCH):
        pass


def _doors(app: Flask) -> Sequence[tuple[str, Callable[[], None], Callable[[], None]]]:
    """For each way to the endpoint: its name, and a batch with and without counting."""
    environs = [_environ(index) for index in range(BATCH)]
    fast_path = app.wsgi_app
    assert isinstance(fast_path, PredictionFastPath)
    counted = app.extensions["hotswap-predictions"]
    uncounted = replace(counted, counts=NoPredictionCounts())
    with app.app_context():
        telemetry, hosts = current_telemetry(), Hosts.of(services().settings)
    endpoints = dict.fromkeys(PREDICT, uncounted)
    quiet = PredictionFastPath(fast_path.inner, endpoints, telemetry, hosts, None)

    def flask(endpoint: PredictionEndpoint) -> None:
        app.extensions["hotswap-predictions"] = endpoint
        predict(fast_path.inner, environs)

    return (
        ("fast path", lambda: predict(fast_path, environs), lambda: predict(quiet, environs)),
        ("Flask", lambda: flask(counted), lambda: flask(uncounted)),
    )


def _environ(index: int) -> Environ:
    row = {f"x{column}": float(index + column) for column in range(COLUMNS)}
    return prediction("/models/linear/predict", json.dumps(row).encode())


def prediction(path: str, body: bytes) -> Environ:
    """The request to ``path``; ``body`` is to be put into its stream."""
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_AUTHORIZATION": f"Bearer {TOKEN}",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
        "body": body,
    }


def predict(application: Callable[..., Any], environs: Sequence[Environ]) -> None:
    """Send requests that ``prediction`` made, one after the other."""
    for environ in environs:
        request = environ.copy()
        request["wsgi.input"] = io.BytesIO(request.pop("body"))
        statuses: list[str] = []
        b"".join(application(request, lambda status, *_, said=statuses: said.append(status)))
        assert statuses == ["200 OK"]


def in_turn(
    one: Callable[[], None], other: Callable[[], None], rounds: int
) -> tuple[list[float], list[float]]:
    """Microseconds a prediction of each round; who begins alternates."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for which in ((0, 1), (1, 0))[number % 2]:
            times[which].append(timed((one, other)[which]))
    return times[0][1:], times[1][1:]  # the first round warms up


def timed(call: Callable[[], object]) -> float:
    """Microseconds for each of the ``BATCH`` predictions of ``call``."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) / BATCH * 1e6


if __name__ == "__main__":
    raise SystemExit(main())
