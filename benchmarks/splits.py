"""Times what a split costs the predictions for its alias, and those for others.

First the choice of a version alone. Then whole predictions in process, through the fast path: for
an alias that is split, by each kind of key, and for one that is not, in turn. Then over HTTP: the
CPU time of a worker and its responses a second, for a model that is split by header and for one
that is not, in turn.

    python -m benchmarks.splits [--rounds 60] [--served-rounds 10]
"""

import argparse
import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask

from api.app import create_app
from api.services import services
from api.telemetry import current_telemetry
from benchmarks.keyed_load import connected
from benchmarks.launching import on_cores
from benchmarks.service import TOKEN, promote, running_service, upload
from benchmarks.split_keys import keys, put_split
from benchmarks.swap import Target, constant_model
from benchmarks.telemetry import BATCH, Environ, in_turn, predict, prediction
from config import Settings
from registry.live.loaded_split import LoadedSplit

TARGET_MICROSECONDS = 1.0
REQUESTS = 4000
"""Of a round over HTTP."""
ALIASES = {"plain": None, "by-header": "header", "by-token": "token", "by-chance": "random"}
"""The aliases, and what they are split by; None: not split."""


def main() -> int:
    """Print the figures; 1 if the choice costs more than the target."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.splits")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--served-rounds", type=int, default=10)
    parser.add_argument("--port", type=int, default=8455)
    arguments = parser.parse_args()
    rounds = arguments.rounds
    core = max(os.sched_getaffinity(0))
    with on_cores({core}), tempfile.TemporaryDirectory(prefix="hotswap-splits-") as folder:
        app = create_app(
            Settings(data=Path(folder) / "data", admin_token=TOKEN, log_level="warning")
        )
        _register(app)
        choice = _choice(app, rounds)
        print(f"choice of a version:  {choice:6.3f} µs a prediction")
        for alias, by in ALIASES.items():
            _compare(app, alias, f"split by {by}" if by else "not split", rounds)
        with app.app_context():
            services().close()
            current_telemetry().close()
    _serve(arguments.served_rounds, arguments.port, core)
    missed = choice > TARGET_MICROSECONDS
    print(f"target: {TARGET_MICROSECONDS} µs, {'missed' if missed else 'met'}")
    return int(missed)


def _register(app: Flask) -> None:
    """Register a model of two versions, with an alias of each of ``ALIASES`` and ``other``."""
    for value in (1.0, 2.0):
        artifact = (io.BytesIO(constant_model(value)), "model.skops")
        _call(app, "POST", "/models/linear/versions", data={"artifact": artifact})
    for alias, by in {**ALIASES, "other": None}.items():
        _call(app, "POST", "/models/linear/1/promote", json={"alias": alias})
        if by is not None:
            split = {"weights": {"1": 90, "2": 10}, "by": by}
            _call(app, "PUT", f"/models/linear/aliases/{alias}/split", json=split)


def _call(app: Flask, method: str, path: str, **sent: Any) -> None:
    answer = app.test_client().open(
        path, method=method, headers={"Authorization": f"Bearer {TOKEN}"}, **sent
    )
    if answer.status_code not in {200, 201}:
        raise SystemExit(answer.text)


def _choice(app: Flask, rounds: int) -> float:
    """Microseconds that the choice by a key takes."""
    with app.app_context():
        split = services().watch.answering("linear", "by-header", None)
    assert isinstance(split, LoadedSplit)
    keys = [f"customer-{number}" for number in range(BATCH)]

    def choose() -> None:
        for key in keys:
            split.choose(key, "request")

    def nothing() -> None:
        for _ in keys:
            pass

    chosen, empty = in_turn(choose, nothing, rounds)
    return statistics.median(chosen) - statistics.median(empty)


def _compare(app: Flask, alias: str, shown: str, rounds: int) -> None:
    """Print the times of predictions for ``alias``, and of such for one that is not split."""
    one, other = (_batch(app, name) for name in (alias, "other"))
    with_split, without = in_turn(one, other, rounds)
    difference = statistics.median(a - b for a, b in zip(with_split, without, strict=True))
    print(
        f"{shown:16} {statistics.median(with_split):7.2f} µs a prediction, "
        f"another alias {statistics.median(without):7.2f} µs, difference {difference:+.3f} µs"
    )


def _batch(app: Flask, alias: str) -> Callable[[], None]:
    """Predictions for ``alias``, each with a key of its own."""
    body = json.dumps({"x0": 1.0, "x1": 2.0}).encode()
    environs: list[Environ] = [
        {
            **prediction(f"/models/linear/{alias}/predict", body),
            "HTTP_X_REQUEST_KEY": f"customer-{number}",
        }
        for number in range(BATCH)
    ]
    return partial(predict, app.wsgi_app, environs)


def _serve(rounds: int, port: int, core: int) -> None:
    """Print what a worker takes for a request to a model that is split, and to one that is not."""
    sent = keys(REQUESTS)
    with running_service(1, port, core=core) as service:
        for model in ("split", "plain"):
            for value in (1.0, 2.0):
                upload(service, model, constant_model(value))
            promote(service, model, 1)
        put_split(Target(service.url, TOKEN, "split"), {1: 90, 2: 10})
        (worker,) = service.workers()
        taken: dict[str, list[tuple[float, float]]] = {"split": [], "plain": []}
        with (
            connected(service.url, TOKEN, "split") as one,
            connected(service.url, TOKEN, "plain") as other,
        ):
            for number in range(rounds + 1):
                pair = [("split", one), ("plain", other)]
                for model, connection in pair if number % 2 else reversed(pair):
                    cpu, began = worker_cpu_seconds(worker), time.perf_counter()
                    connection.ask(sent)
                    taken[model].append(
                        (worker_cpu_seconds(worker) - cpu, time.perf_counter() - began)
                    )
    for place, shown in enumerate(("CPU time of a worker", "time of a response")):
        split, plain = (
            [one[place] / REQUESTS * 1e6 for one in taken[model][1:]] for model in taken
        )
        ratio = statistics.median(a / b for a, b in zip(split, plain, strict=True))
        print(
            f"{shown}: split {statistics.median(split):.2f} µs, "
            f"not split {statistics.median(plain):.2f} µs, ratio {ratio:.4f}"
        )


def worker_cpu_seconds(pid: int) -> float:
    """The CPU time of all threads of a process so far."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


if __name__ == "__main__":
    raise SystemExit(main())
