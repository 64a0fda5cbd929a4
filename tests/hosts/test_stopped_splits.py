"""A host is stopped for two leases while the weights of a split change, by operators and by the
steps of a rollout. When it goes on, it has the version for each key that the other hosts have."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from benchmarks.service import upload
from benchmarks.swap import Target, constant_model
from tests.hosts.hosts import Cluster, Host, cluster
from tests.hosts.test_uploads import send

pytestmark = pytest.mark.slow

LEASE_SECONDS = 3
MODEL = "iris"
SPLIT = f"/models/{MODEL}/aliases/production/split"
ROLLOUT = f"/models/{MODEL}/aliases/production/rollout"
KEYS = tuple(map(str, range(40)))
STEPS = [{"weight": share, "minutes": 0.15, "requests": 20} for share in (10, 40, 70)]
PLAN = {"steps": [*STEPS, {"weight": 100}], "guards": ["faults <= champion * 2 + 50%"], "bake": 0.1}
PATIENCE = 180.0

Versions = Mapping[str, int | None]
"""By the key of the request; None: it was answered with 503."""


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Cluster]:
    """Two hosts with a model of two versions, of which the first is live."""
    settings = {"HOTSWAP_LEASE_SECONDS": str(LEASE_SECONDS), "HOTSWAP_WATCH": "1"}
    with cluster(tmp_path, hosts=2, workers=2, **settings) as own:
        target = Target(own.hosts[0].url, own.token, MODEL)
        for number in (1, 2):
            assert upload(target, MODEL, constant_model(float(number))) == number
        send(own, own.hosts[0], "POST", f"/models/{MODEL}/1/promote")
        yield own


def version_of(own: Cluster, host: Host, key: str) -> int | None:
    """The version that answers the key. A prediction of another version is torn."""
    headers = {"Authorization": f"Bearer {own.token}", "X-Request-Key": key}
    body = {"instances": [[1.0, 2.0]]}
    url = f"{host.url}/models/{MODEL}/predict"
    reply = requests.post(url, json=body, headers=headers, timeout=60)
    if reply.status_code == 503:
        return None
    said = reply.json()
    assert said["predictions"] == [float(said["version"])], said
    assert reply.headers["X-Model-Version"] == str(said["version"])
    return int(said["version"])


def begin(own: Cluster, host: Host, pool: ThreadPoolExecutor) -> dict[str, "Future[int | None]"]:
    return {key: pool.submit(version_of, own, host, key) for key in KEYS}


def versions(own: Cluster, host: Host) -> Versions:
    with ThreadPoolExecutor(8) as pool:
        return {key: one.result() for key, one in begin(own, host, pool).items()}


def test_weights_that_were_answered_hold_on_a_host_that_goes_on(hosts: Cluster) -> None:
    first, second = hosts.hosts
    seen = set()
    for share in (10, 90, 50, 20, 70):
        second.pause()
        began = time.monotonic()
        weights = {"1": 100 - share, "2": share}
        send(hosts, first, "PUT", SPLIT, json={"weights": weights, "by": "header"})
        with ThreadPoolExecutor(len(KEYS)) as pool:
            waiting = begin(hosts, second, pool)
            time.sleep(max(0.0, began + 2 * LEASE_SECONDS - time.monotonic()))
            second.resume()
            late = {key: one.result() for key, one in waiting.items()}

        expected = versions(hosts, first)
        assert None not in expected.values()
        for given in (late, versions(hosts, second)):
            answered = {key: number for key, number in given.items() if number is not None}
            assert answered.items() <= expected.items()
        second.wait_ready()
        assert versions(hosts, second) == expected
        seen.add(tuple(expected.values()))
    assert len(seen) == 5


def test_a_host_that_is_stopped_in_a_rollout_goes_on_with_the_weights_of_the_others(
    hosts: Cluster,
) -> None:
    reply = send(hosts, hosts.hosts[0], "PUT", ROLLOUT, json={"version": 2, "by": "header", **PLAN})
    assert reply.json()["state"] == "running"
    shares = set()
    turn, deadline = 0, time.monotonic() + PATIENCE
    while send(hosts, hosts.hosts[0], "GET", ROLLOUT).json()["state"] in {"running", "baking"}:
        assert time.monotonic() < deadline
        stopped, other = hosts.hosts[turn % 2], hosts.hosts[1 - turn % 2]
        turn += 1
        stopped.pause()
        ends = time.monotonic() + 2 * LEASE_SECONDS
        while time.monotonic() < ends:
            assert None not in versions(hosts, other).values()
        before = versions(hosts, other)
        stopped.resume()
        given = versions(hosts, stopped)
        after = versions(hosts, other)
        for key in KEYS:
            # A step may be made in between.
            if before[key] == after[key]:
                assert given[key] in {before[key], None}
        stopped.wait_ready()
        shares.add(sum(number == 2 for number in after.values()))

    assert send(hosts, hosts.hosts[0], "GET", ROLLOUT).json()["state"] == "promoted"
    for host in hosts.hosts:
        assert set(versions(hosts, host).values()) == {2}
    assert len(shares) > 2
