"""``hotswap retrain`` and ``reproduce`` on a Dask cluster that loses a worker, with a real server.

integration/trainers/test_clusters.py compares trainings with and without a cluster in one process.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.system.dask_clusters import running_scheduler, running_worker
from tests.system.real_server import BIN, Server, wait_until

pytestmark = [
    pytest.mark.slow,  # importing and starting distributed takes seconds
    pytest.mark.filterwarnings("ignore"),  # distributed's own, when a worker ends
]

RECIPE = """
name = "{name}"
data = "houses.csv"
target = "price"
kind = "tree"
[search]
method = "grid"
folds = 5
[search.params]
max_depth = [6, 8, 10, 12, 14, 16]
min_samples_leaf = [2, 4, 8, 16]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with 20,000 rows: a search for seconds."""
    draws = np.random.default_rng(3)
    table = pd.DataFrame(draws.normal(size=(20_000, 6)).round(6), columns=list("abcdef"))
    table["price"] = (table @ draws.normal(size=6) + draws.normal(size=20_000)).round(6)
    table.to_csv(tmp_path / "houses.csv", index=False)
    return tmp_path


class Workers:
    """Two workers of a scheduler, one of which is killed while it computes."""

    def __init__(self, folder: Path, address: str, started: ExitStack) -> None:
        from distributed import Client

        self._folder = folder
        self._address = address
        self._started = started
        self._client = started.enter_context(Client(address))
        self._running = [self._start(), self._start()]

    def kill_one(self, during: subprocess.Popen[str]) -> None:
        """SIGKILL the first as soon as it computes a task for ``during``."""
        process = self._running.pop(0)

        def is_computing() -> bool:
            assert during.poll() is None, during.communicate()
            by_worker = self._client.processing()
            pids = self._client.run(os.getpid)
            own = [tasks for at, tasks in by_worker.items() if pids.get(at) == process.pid]
            return any(str(task).startswith("run-") for tasks in own for task in tasks)

        wait_until(is_computing, "the worker had nothing to compute")
        process.kill()
        process.wait()

    def replace(self) -> None:
        """Start one for that which was killed."""
        self._running.append(self._start())

    def _start(self) -> subprocess.Popen[bytes]:
        count = len(self._client.nthreads()) + 1
        process = self._started.enter_context(running_worker(self._folder, self._address))
        self._client.wait_for_workers(count, timeout=120)
        return process


@pytest.fixture
def workers(folder: Path) -> Iterator[tuple[Workers, str]]:
    """Two workers, and the address of their scheduler."""
    with running_scheduler(folder) as (_, address), ExitStack() as started:
        yield Workers(folder, address, started), address


def started(server: Server, folder: Path, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [BIN / "hotswap", *command],
        cwd=folder,
        env={
            **os.environ,
            "HOTSWAP_URL": server.url,
            "HOTSWAP_TOKEN": server.token,
            "GITHUB_STEP_SUMMARY": "",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    """The report of a command that has succeeded, and its lines on stderr."""
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return json.loads(output), errors


def predictions(server: Server, name: str, rows: list[dict[str, float]]) -> str:
    answered = server.call("POST", f"/models/{name}/1/predict", json={"instances": rows})
    answered.raise_for_status()
    return json.dumps(answered.json()["predictions"])


def without_names(version: dict[str, Any]) -> dict[str, Any]:
    """What the training has made of ``version``: not its name, and where and when it was stored."""
    lineage = {
        name: value
        for name, value in version["lineage"].items()
        if name not in {"recipe", "recipe_sha256"}
    }
    made = ("artifact", "metrics", "params", "signature", "input_example", "environment", "engine")
    return {**{name: version[name] for name in made}, "lineage": lineage}


def test_a_version_made_on_a_cluster_that_loses_a_worker_is_the_one_made_without(
    server: Server, folder: Path, workers: tuple[Workers, str]
) -> None:
    cluster, address = workers
    for name in ("alone", "together"):
        (folder / f"{name}.toml").write_text(RECIPE.format(name=f"houses-{name}"))
    on_cluster = ("--scheduler", address, "--json")

    alone, _ = ended(started(server, folder, "retrain", "alone.toml", "--json"))
    retraining = started(server, folder, "retrain", "together.toml", *on_cluster)
    cluster.kill_one(retraining)
    together, said = ended(retraining)

    assert f"trying 24 candidates by 5 folds, on 2 workers at {address} …" in said.splitlines()
    assert together["outcome"] == "promoted"
    assert without_names(together["version"]) == without_names(alone["version"])
    rows = pd.read_csv(folder / "houses.csv").drop(columns="price").head(500).to_dict("records")
    assert predictions(server, "houses-together", rows) == predictions(server, "houses-alone", rows)
    evaluations = [
        server.call("GET", f"/models/houses-{name}/1/evaluation").json()
        for name in ("alone", "together")
    ]
    assert evaluations[0]["search"]["candidates"] == 24
    assert evaluations[1] == evaluations[0]

    again = ("reproduce", "houses-together/1", "--data", "houses.csv")
    here, _ = ended(started(server, folder, *again, "--json"))
    cluster.replace()
    reproducing = started(server, folder, *again, *on_cluster)
    cluster.kill_one(reproducing)
    there, _ = ended(reproducing)

    assert here["agrees"] is True
    assert here["predictions"] == {"rows": 1_000, "agree": 1_000, "largest": 0.0}
    assert there == here
