"""Keepers that are killed while they move rollouts: another one goes on, and repeats no move."""

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from benchmarks.swap import constant_model
from hotswap import Registry
from registry.watching.heartbeat import last_beat
from tests.processes import wait_for
from tests.system.models import upload
from tests.system.real_server import ADMIN_TOKEN, BIN, Server, free_port, running

pytestmark = pytest.mark.slow  # test_keeper.py has one that is killed

PATH = "/models/plane/aliases/production"
STEPS = [
    *({"weight": weight, "minutes": 0.03, "requests": 5} for weight in (10, 40, 70)),
    {"weight": 100},
]
PLAN = {"steps": STEPS, "guards": ["faults <= champion * 2 + 0.5%"], "bake": 0.03}


class Keepers:
    """Two keepers of a data directory: one is at work, and the other one waits to take over."""

    def __init__(self, data: Path, log: Path) -> None:
        self._data = data
        self._log = log
        self._running: list[subprocess.Popen[bytes]] = [self._start(), self._start()]

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [BIN / "hotswap", "watch", "run", "--data", self._data],
                env={**os.environ, "HOTSWAP_LOG_FORMAT": "text"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def at_work(self) -> int:
        """The process id of the one that beats; 0: neither does."""
        beat = last_beat(self._data / "run")
        alive = {process.pid for process in self._running}
        return beat.pid if beat is not None and beat.pid in alive else 0

    def kill_the_one_at_work(self) -> None:
        """Kill it, and start another one that waits."""
        pid = wait_for(self.at_work)
        (killed,) = [process for process in self._running if process.pid == pid]
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        self._running.remove(killed)
        self._running.append(self._start())

    def close(self) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait(30)


@contextmanager
def traffic(server: Server) -> Iterator[list[int]]:
    """Predictions by callers with keys, one after the other; gives the statuses so far."""
    statuses, over = list[int](), threading.Event()

    def call() -> None:
        with requests.Session() as session:
            while not over.wait(0.01):
                answer = session.post(
                    f"{server.url}/models/plane/predict",
                    json={"x0": 1.0, "x1": 2.0},
                    headers={
                        "Authorization": f"Bearer {ADMIN_TOKEN}",
                        "X-Request-Key": str(random.random()),
                    },
                    timeout=30,
                )
                statuses.append(answer.status_code)

    calling = threading.Thread(target=call)
    calling.start()
    try:
        yield statuses
    finally:
        over.set()
        calling.join()


def begin(server: Server, version: int) -> int:
    """Roll out the version; the id of the rollout."""
    reply = server.call("PUT", f"{PATH}/rollout", json={"version": version, **PLAN})
    assert reply.ok, reply.text
    return int(reply.json()["id"])


def has_ended(server: Server) -> bool:
    return bool(server.call("GET", f"{PATH}/rollout").json()["ended_at"])


def moves(server: Server, rollout: int) -> list[tuple[str, object]]:
    """The events of the rollout's moves with their steps, oldest first."""
    with Registry(server.url, server.token) as registry:
        found = list(registry.history("plane"))
    kinds = {"rollout_started", "split_changed", "promoted", "rollout_ended"}
    return [
        (event["type"], event["details"]["step"])
        for event in reversed(found)
        if event["type"] in kinds and event.get("details", {}).get("rollout") == rollout
    ]


def test_killed_at_random_moments_they_make_each_move_of_a_rollout_once(
    tmp_path: Path, kills: int, tell: Callable[[str], None]
) -> None:
    serve: list[str | Path] = [BIN / "hotswap", "serve", "--workers", "1"]
    killed, ended, chance = 0, list[int](), random.Random(7)
    with running(serve, tmp_path / "data", free_port()) as server:
        for value in (100.0, 200.0):
            upload(server, "plane", constant_model(value))
        server.call("POST", "/models/plane/1/promote").raise_for_status()
        keepers = Keepers(server.data, tmp_path / "keepers.log")
        try:
            with traffic(server) as statuses:
                while killed < kills:
                    version = 2 - len(ended) % 2
                    rollout = begin(server, version)
                    while not has_ended(server):
                        if killed < kills:
                            keepers.kill_the_one_at_work()
                            killed += 1
                        time.sleep(chance.uniform(0.0, 2.0))
                    ended.append(rollout)
                    assert server.call("GET", f"{PATH}/rollout").json()["state"] == "promoted"
        finally:
            keepers.close()
        assert set(statuses) == {200}
        assert len(statuses) > 100
        for rollout in ended:
            assert moves(server, rollout) == [
                *(("rollout_started", 1), ("split_changed", 1)),
                *(("split_changed", 1), ("split_changed", 2)),
                *(("promoted", 3), ("rollout_ended", 4)),
            ]
        tell(f"killed keepers: {killed} kills, {len(ended)} rollouts, {len(statuses):,} requests")
