"""Rollouts on a real server: of versions that fail, and with a keeper that is killed."""

import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.keyed_load import connected
from benchmarks.service import TOKEN, Service, call, promote, running_service, upload
from benchmarks.split_keys import CANARY, CHAMPION, Checked, send
from benchmarks.swap import OWN, Target, constant_model

PORT = 8465
FAILING_ROW = json.dumps({"x0": 1e300, "x1": 2.0}).encode()
"""The champion predicts it, the canary cannot: its prediction would be infinite."""
FAILING_SHARE = 0.05
BATCH_SECONDS = 0.05
GONE_SECONDS = 10
AT_A_TIME = 5
MOST_SECONDS = 600
ROLLOUT = "/models/{model}/aliases/production/rollout"
GUARD = "faults <= champion * 2 + 0.5%"


def failing_model(value: float) -> bytes:
    """As ``constant_model``, but without a finite prediction for ``FAILING_ROW``."""
    import numpy as np
    import skops.io
    from sklearn.linear_model import LinearRegression

    rows = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    model = LinearRegression().fit(rows, np.full(3, value))
    model.coef_ = np.array([1e10, 0.0])
    return bytes(skops.io.dumps(model))


class Traffic(threading.Thread):
    """Sends ``rate`` requests a second, each of another caller, until it is stopped; a share of
    them has ``FAILING_ROW``. ``answers``: when each batch was sent, and who answered it."""

    def __init__(self, target: Target, rate: float, failing: float = FAILING_SHARE) -> None:
        super().__init__(name=f"traffic-{target.model}")
        self.answers: list[tuple[float, set[int]]] = []
        self._target, self._rate, self._failing = target, rate, failing
        self._ended = threading.Event()

    def run(self) -> None:
        draws, callers = random.Random(self.name), count()  # noqa: S311 - a benchmark
        due = time.monotonic()
        with connected(self._target.url, self._target.token, self._target.model) as connection:
            while not self._ended.is_set():
                rows = [
                    draws.random() < self._failing for _ in range(int(self._rate * BATCH_SECONDS))
                ]
                for body, failing in ((OWN.body, False), (FAILING_ROW, True)):
                    keys = [b"%d" % next(callers) for row in rows if row is failing]
                    start = time.monotonic()
                    answered = {answer.version for answer in connection.ask(keys, body)}
                    self.answers.append((start, answered))
                due += BATCH_SECONDS
                time.sleep(max(due - time.monotonic(), 0))

    def stop(self) -> None:
        self._ended.set()
        self.join()


@contextmanager
def traffic(target: Target, rate: float, failing: float = FAILING_SHARE) -> Iterator[Traffic]:
    """Traffic until the block ends."""
    sender = Traffic(target, rate, failing)
    sender.start()
    try:
        yield sender
    finally:
        sender.stop()


def failing_versions(runs: int) -> Iterator[Checked]:
    """Canaries that fail 5 % of 100 requests a second."""
    with running_service(2, PORT) as service:
        targets = [
            _begin(service, f"failing-{number}", failing_model(200.0)) for number in range(runs)
        ]
        with ThreadPoolExecutor(AT_A_TIME) as threads:
            found = list(threads.map(_until_rolled_back, targets))
        whole = _verified(service)
    seconds = sorted(one for one, _ in found)
    late, after = sum(one > GONE_SECONDS for one in seconds), sum(late for _, late in found)
    yield Checked(
        f"seconds until a version that fails 5 % of 100 a second is gone, {runs} runs",
        f"{GONE_SECONDS} in 99 %",
        f"median {seconds[runs // 2]:.1f}, longest {seconds[-1]:.1f}; {late} later",
        late <= runs * 0.01,
    )
    yield Checked("batches with an answer by it after the rollback", "0", f"{after}", not after)
    yield Checked("the chain of the history", "holds", "holds" if whole else "broken", whole)


def killed_keeper(kills: int, seed: int = 15) -> Iterator[Checked]:
    """A keeper that is killed again and again while a version is rolled out in four steps."""
    draws = random.Random(seed)  # noqa: S311 - a benchmark
    weights = [5, 25, 60]
    plan = {
        "version": CANARY,
        "steps": [
            # Together longer than all the kills take, each with its start of a keeper.
            *({"weight": one, "minutes": 2, "requests": 200} for one in weights),
            {"weight": 100},
        ],
        "guards": [GUARD],
        "bake": 0.1,
    }
    with running_service(2, PORT, settings={"HOTSWAP_WATCH": "0"}) as service:
        target = _begin(service, "killed", constant_model(200.0))
        with traffic(target, 100), closing(target.connect()) as connection:
            _start(target, plan)
            at_work = 0
            for number in range(kills + 1):
                with _keeper(service):
                    if number == kills:
                        _wait_for_end(connection, target)
                        break
                    _wait_until_it_works(service, number + 1)
                    time.sleep(draws.uniform(0.0, 3.0))
                    at_work += _state(target) in {"running", "baking"}
        state = _state(target)
        types, made = _history(service.data, target.model)
    good = state == "promoted" and made == weights and types.count("promoted") == 2
    yield Checked(
        f"a rollout whose keeper was killed {kills} times",
        f"promoted, steps {weights}",
        f"{state}, steps {made}, {types.count('promoted') - 1} promotion; "
        f"{at_work} kills while it was in progress",
        good and types.count("rollout_ended") == 1,
    )


def _until_rolled_back(target: Target) -> tuple[float, int]:
    """Seconds from the start of a rollout until it was seen to have ended, and how many batches
    that were sent after that had an answer by the canary."""
    plan = {
        "version": CANARY,
        "steps": [{"weight": 50, "minutes": 10, "requests": 10**6}, {"weight": 100}],
        "guards": [GUARD],
    }
    with traffic(target, 200) as sender, closing(target.connect()) as connection:
        time.sleep(1)
        _start(target, plan)
        began = time.monotonic()
        _wait_for_end(connection, target)
        ended = time.monotonic()
        time.sleep(0.5)
    late = sum(CANARY in versions for start, versions in sender.answers if start > ended)
    return (ended - began if _state(target) == "rolled_back" else MOST_SECONDS), late


def _begin(service: Service, model: str, second: bytes) -> Target:
    upload(service, model, constant_model(100.0))
    upload(service, model, second)
    promote(service, model, CHAMPION)
    return Target(service.url, TOKEN, model)


def _start(target: Target, plan: Mapping[str, object]) -> None:
    with closing(target.connect()) as connection:
        path = ROLLOUT.format(model=target.model)
        send(connection, target, "PUT", path, json.dumps(plan).encode())


def _state(target: Target) -> str:
    with closing(target.connect()) as connection:
        path = ROLLOUT.format(model=target.model)
        return str(call(connection, "GET", path, token=target.token)["state"])


def _wait_for_end(connection: Any, target: Target) -> None:
    path, deadline = ROLLOUT.format(model=target.model), time.monotonic() + MOST_SECONDS
    while time.monotonic() < deadline:
        if call(connection, "GET", path, token=target.token)["ended_at"]:
            return
        time.sleep(0.1)


def _wait_until_it_works(service: Service, number: int) -> None:
    """Wait until the keeper with this number, counted from 1, looks after the service."""
    deadline = time.monotonic() + MOST_SECONDS
    while time.monotonic() < deadline:
        if _keeper_log(service).read_text().count("the keeper looks after") >= number:
            return
        time.sleep(0.02)
    raise SystemExit(f"no keeper came to work in {MOST_SECONDS} s")


def _keeper_log(service: Service) -> Path:
    return service.data.parent / "keeper.log"


@contextmanager
def _keeper(service: Service) -> Iterator[None]:
    """A keeper of its own, killed at the end of the block."""
    command = [Path(sys.executable).parent / "hotswap", "watch", "run"]
    environment = {**os.environ, "HOTSWAP_DATA": str(service.data)}
    with _keeper_log(service).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own
            command, env=environment, stdout=log, stderr=log
        )
        try:
            yield
        finally:
            process.kill()
            process.wait()


def _history(data: Path, model: str) -> tuple[Sequence[str], Sequence[float]]:
    """The types of the model's events, and the weights of the canary, in their order."""
    with closing(sqlite3.connect(f"file:{data / 'registry.db'}?mode=ro", uri=True)) as database:
        rows = database.execute(
            "SELECT type, details FROM history WHERE model = ? ORDER BY seq", (model,)
        ).fetchall()
    made = [
        json.loads(details)["weights"][str(CANARY)]
        for one, details in rows
        if one == "split_changed"
    ]
    return [type_ for type_, _ in rows], made


def _verified(service: Service) -> bool:
    command = [Path(sys.executable).parent / "hotswap", "history", "--verify"]
    environment = {**os.environ, "HOTSWAP_DATA": str(service.data)}
    done = subprocess.run(  # noqa: S603 - our own
        command, env=environment, check=False, capture_output=True
    )
    return done.returncode == 0
