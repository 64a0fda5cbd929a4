"""Rollouts on the real server: its workers count, and its keeper decides and moves."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from registry.watching.heartbeat import last_beat
from tests.processes import wait_for
from tests.system.models import upload
from tests.system.real_server import BIN, Server, free_port, running

SERVE: list[str | Path] = [BIN / "hotswap", "serve", "--workers", "2"]
PATH = "/models/iris/aliases/production/rollout"
FLOWER = {"x0": 5.1, "x1": 3.5, "x2": 1.4, "x3": 0.2}
PLAN = {
    "steps": [
        {"weight": 20, "minutes": 0.02, "requests": 10},
        {"weight": 60, "minutes": 0.02, "requests": 10},
        {"weight": 100},
    ],
    # Times are not compared: both versions are the same, on a machine that does other things too.
    # The keeper loads the version for this, which it does not otherwise.
    "require": ["latency_ms <= 1000", "input_example answered"],
    "guards": ["faults <= champion * 2 + 0.5%"],
    "bake": 0.02,
}


STEP_BY_STEP = [
    *("rollout_started", "split_changed", "split_changed"),
    *("split_ended", "promoted", "rollout_ended"),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(SERVE, tmp_path / "data", free_port(), HOTSWAP_WATCH="1") as started:
        yield started


def begin(server: Server, **more: Any) -> dict[str, Any]:
    """Roll version 2 out, which is the same model as version 1."""
    for _ in range(2):
        upload(server, "iris", input_example=FLOWER)
    assert server.call("POST", "/models/iris/1/promote").ok
    wait_for(lambda: last_beat(server.data / "run"))
    reply = server.call("PUT", PATH, json={"version": 2, **PLAN, **more})
    assert reply.ok, reply.text
    return dict(reply.json())


def state(server: Server) -> dict[str, Any]:
    return dict(server.call("GET", PATH).json())


def predict(server: Server) -> None:
    """One request, by chance to either version."""
    reply = server.call("POST", "/models/iris/production/predict", json=FLOWER)
    assert reply.ok, reply.text


def serve_until_it_is_over(server: Server) -> None:
    def is_over() -> bool:
        for _ in range(20):
            predict(server)
        return bool(state(server)["ended_at"])

    wait_for(is_over)


def is_replaced(server: Server, keeper: int) -> bool:
    beat = last_beat(server.data / "run")
    return beat is not None and beat.pid != keeper


def moves(server: Server) -> list[str]:
    """The types of the events of the rollout, without those of waiting."""
    found = server.call("GET", "/models/iris/history").json()["items"]
    types = [event["type"] for event in reversed(found) if event["alias"] == "production"]
    types = types[types.index("rollout_started") :]
    return [kind for kind in types if not kind.startswith(("alert_", "rollout_held"))]


@pytest.mark.slow
def test_a_version_is_promoted_in_steps_by_what_the_workers_have_counted(server: Server) -> None:
    begin(server)
    serve_until_it_is_over(server)

    assert state(server)["state"] == "promoted"
    assert moves(server) == STEP_BY_STEP
    assert server.call("GET", "/models/iris/aliases").json()["items"][0]["version"] == 2


@pytest.mark.slow
def test_a_keeper_that_is_killed_leaves_no_step_out_and_makes_none_twice(server: Server) -> None:
    begin(server)
    for _ in range(3):
        keeper = wait_for(lambda: last_beat(server.data / "run"))
        predict(server)
        os.kill(keeper.pid, signal.SIGKILL)
        wait_for(partial(is_replaced, server, keeper.pid))
    serve_until_it_is_over(server)

    assert state(server)["state"] == "promoted"
    assert moves(server) == STEP_BY_STEP


@pytest.mark.slow
def test_no_request_is_lost_at_the_start_and_over_a_restart_of_the_server(tmp_path: Path) -> None:
    data, sent = tmp_path / "data", 0
    with running(SERVE, data, free_port(), HOTSWAP_WATCH="1") as server:
        begin(server, steps=[{"weight": 20, "minutes": 10}, {"weight": 100}], require=[])
        for _ in range(200):
            predict(server)
            sent += 1
    with running(SERVE, data, free_port(), HOTSWAP_WATCH="1") as server:
        for _ in range(100):
            predict(server)
            sent += 1
        wait_for(lambda: sum(state(server)["requests"].values()) >= sent)
        assert sum(state(server)["requests"].values()) == sent
        assert state(server)["requests"]["canary"] > 0
