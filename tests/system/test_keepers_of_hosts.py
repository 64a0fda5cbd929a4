"""Rollouts on two hosts with one database: two servers, their workers and their keepers."""

import os
import random
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from registry.watching.heartbeat import last_beat
from tests.postgresql import PostgreSql, running_postgresql
from tests.processes import wait_for
from tests.system.models import upload
from tests.system.real_server import BIN, Server, free_port, running

SERVE: list[str | Path] = [BIN / "hotswap", "serve", "--workers", "1"]
PATH = "/models/iris/aliases/production/rollout"
FLOWER = {"x0": 5.1, "x1": 3.5, "x2": 1.4, "x3": 0.2}
GUARDS = ["faults <= champion * 2 + 0.5%"]
KILLS = 4


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSql]:
    with running_postgresql() as server:
        yield server


@pytest.fixture
def hosts(tmp_path: Path, postgresql: PostgreSql) -> Iterator[list[Server]]:
    """Two hosts whose artifacts are in one folder; version 1 of a model is live, 2 waits."""
    url = postgresql.create(migrated=True)
    for name in ("a", "b"):
        (tmp_path / name).mkdir(mode=0o700)
    (tmp_path / "a" / "blobs").mkdir(mode=0o700)
    (tmp_path / "b" / "blobs").symlink_to(tmp_path / "a" / "blobs")
    settings = {"HOTSWAP_DATABASE_URL": url, "HOTSWAP_WATCH": "1"}
    serve = partial(running, SERVE)
    with (
        serve(tmp_path / "a", free_port(), HOTSWAP_HOST_NAME="a", **settings) as one,
        serve(tmp_path / "b", free_port(), HOTSWAP_HOST_NAME="b", **settings) as other,
    ):
        for _ in range(2):
            upload(one, "iris", input_example=FLOWER)
        assert one.call("POST", "/models/iris/1/promote").ok
        for host in (one, other):
            wait_for(partial(last_beat, host.data / "run"))
            wait_for(lambda host=host: predict(host) == 1)
        yield [one, other]


def predict(host: Server) -> int | None:
    """The version that answers a request; by chance where production is split."""
    reply = host.call("POST", "/models/iris/production/predict", json=FLOWER)
    return int(reply.json()["version"]) if reply.ok else None


def start(host: Server, *steps: dict[str, Any]) -> None:
    plan = {"steps": [*steps, {"weight": 100}], "guards": GUARDS, "bake": 0.02}
    reply = host.call("PUT", PATH, json={"version": 2, **plan})
    assert reply.ok, reply.text


def state(host: Server) -> dict[str, Any]:
    return dict(host.call("GET", PATH).json())


def until_both_split(hosts: list[Server]) -> list[int | None]:
    """What the hosts answer until each has answered by version 2."""
    answered: list[int | None] = []
    for host in hosts:
        while (found := predict(host)) != 2:
            answered.append(found)
        answered.append(found)
    return answered


def traffic(host: Server) -> int:
    """The requests of the split on all hosts, as this one shows them."""
    shown = host.call("GET", "/models/iris/aliases/production/split").json()["traffic"]
    return 0 if shown is None else int(shown["requests"])


@pytest.mark.slow
def test_requests_of_both_hosts_are_counted_from_the_start_on(hosts: list[Server]) -> None:
    start(hosts[0], {"weight": 20, "minutes": 10})
    answered = until_both_split(hosts)
    answered += [predict(host) for _ in range(150) for host in hosts]
    assert None not in answered

    def counted() -> dict[str, int]:
        return dict(state(hosts[1])["requests"])

    wait_for(lambda: sum(counted().values()) >= len(answered))
    assert counted()["canary"] == answered.count(2)
    # Those of the moment before the start that the workers had not added yet may be among them.
    assert answered.count(1) <= counted()["champion"] <= answered.count(1) + 20
    for host in hosts:
        wait_for(lambda host=host: traffic(host) > 300)
        assert traffic(host) <= len(answered)


@pytest.mark.slow
def test_keepers_that_are_killed_on_both_hosts_make_each_move_once(hosts: list[Server]) -> None:
    steps = [{"weight": share, "minutes": 0.05, "requests": 20} for share in (20, 60)]
    start(hosts[0], *steps)
    chance = random.Random(16)
    with ThreadPoolExecutor(2) as callers:
        for kill in range(KILLS):
            host = hosts[kill % 2]
            keeper = wait_for(partial(last_beat, host.data / "run"))
            for _ in range(chance.randrange(1, 20)):
                list(callers.map(predict, hosts))
            os.kill(keeper.pid, signal.SIGKILL)
            wait_for(partial(is_replaced, host, keeper.pid))

        def is_over() -> bool:
            for _ in range(20):
                list(callers.map(predict, hosts))
            return bool(state(hosts[1])["ended_at"])

        wait_for(is_over)

    assert state(hosts[0])["state"] == "promoted"
    found = hosts[0].call("GET", "/models/iris/history").json()["items"]
    types = [event["type"] for event in reversed(found) if event["alias"] == "production"]
    types = types[types.index("rollout_started") :]
    assert [kind for kind in types if not kind.startswith(("alert_", "rollout_held"))] == [
        *("rollout_started", "split_changed", "split_changed"),
        *("split_ended", "promoted", "rollout_ended"),
    ]
    assert hosts[0].call("GET", "/models/iris/aliases").json()["items"][0]["version"] == 2


def is_replaced(host: Server, keeper: int) -> bool:
    beat = last_beat(host.data / "run")
    return beat is not None and beat.pid != keeper
