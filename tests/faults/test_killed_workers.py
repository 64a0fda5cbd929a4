"""A worker of the real server is killed during a request."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.faults.strace import Strace
from tests.system.models import iris_artifact, upload
from tests.system.real_server import BIN, Server, free_port, running, wait_until

pytestmark = (
    pytest.mark.slow
)  # test_kills.py has what a kill leaves; system/test_workers.py kills one
ROW = {"input": [5.1, 3.5, 1.4, 0.2]}

# Where a worker is killed: the paths that strace watches, below the data directory, and the call.
# What is committed by then is there afterwards; the counter is locked between commit and answer.
PLACES = {
    "as the announcement begins": (["run/counter"], "flock", True),
    "as the announcement ends": (["run/counter"], "flock", True),
    "in the middle of the transaction": (
        ["registry.db-wal", "registry.db-journal"],
        "pwrite64",
        False,
    ),
    "as the commit is synced": (["registry.db-wal", "registry.db-journal"], "fsync", False),
}
ORDINALS = {"as the announcement ends": 2, "in the middle of the transaction": 3}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("faults") / "data"
    with running([BIN / "hotswap", "serve", "--workers", "2"], data, free_port()) as started:
        for _ in range(3):
            upload(started, "iris")
        for number in (1, 2):
            started.call("POST", f"/models/iris/{number}/promote").raise_for_status()
        yield started


def send(server: Server, verb: str, key: str) -> requests.Response:
    headers = {"Idempotency-Key": key}
    if verb == "upload":
        return server.call(
            "POST",
            "/models/iris/versions",
            headers=headers,
            files={"artifact": ("model.skops", io.BytesIO(iris_artifact()))},
            data={"metadata": json.dumps({"tags": {"sent": key}})},
        )
    path = {"promote": "/models/iris/3/promote", "rollback": "/models/iris/rollback"}[verb]
    return server.call("POST", path, headers=headers, json={"reason": key})


def events(server: Server) -> int:
    total = server.call("GET", "/models/iris/history").json()["total"]
    assert isinstance(total, int)
    return total


@pytest.mark.usefixtures("attached")
@pytest.mark.parametrize(
    ("verb", "place"),
    [(verb, place) for verb in ("upload", "promote", "rollback") for place in PLACES],
)
def test_a_killed_worker_leaves_all_or_nothing_and_a_repeated_request_succeeds(
    server: Server, tmp_path: Path, verb: str, place: str
) -> None:
    names, call, committed = PLACES[place]
    key = f"{verb} {place}"
    if verb == "promote":  # so that there is something to move
        server.call("POST", "/models/iris/1/promote").raise_for_status()
    if verb == "rollback":
        for number in (1, 2):
            server.call("POST", f"/models/iris/{number}/promote").raise_for_status()
    workers, before = server.workers(), events(server)
    # SQLite may sync with either call.
    calls = ["fsync", "fdatasync"] if call == "fsync" else [call]
    inject = [f"{name}:signal=KILL:when={ORDINALS.get(place, 1)}" for name in calls]
    only = [server.data / name for name in names]

    with Strace(tmp_path / "calls", workers, inject, only=only, follow=True):
        with pytest.raises(requests.ConnectionError):
            send(server, verb, key)
        wait_until(lambda: len(set(server.workers()) & set(workers)) == 1, "no worker was killed")

    wait_until(lambda: set(workers) - set(server.workers()) != set(), "it was not replaced")
    wait_until(lambda: len(server.workers()) == 2, "no worker came in its place")
    assert events(server) == before + committed
    answer = send(server, verb, key)
    assert answer.ok, answer.text
    assert answer.headers.get("Idempotent-Replayed") == ("true" if committed else None)
    assert events(server) == before + 1
    live = server.call("GET", "/models/iris").json()["aliases"]["production"]
    for _ in range(6):
        assert server.call("POST", "/models/iris/predict", json=ROW).json()["version"] == live
    assert server.hotswap("history", "--verify").returncode == 0
