"""Requests of MLflow's clients that are repeated because a worker was killed."""

import os
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from tests.system.models import iris_artifact
from tests.system.real_server import Server, wait_until

KILLS = 3
MLMODEL = b"flavors: {sklearn: {pickled_model: model.skops, serialization_format: skops}}"


def as_mlflow_repeats(server: Server) -> requests.Session:
    """Sends again what was not answered, or with 5xx: as MLflow's clients, with shorter pauses."""
    retry = Retry(
        total=7,
        backoff_factor=0.5,
        status_forcelist=(408, 429, 500, 502, 503, 504),
        allowed_methods=None,
    )
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=retry))
    session.headers["Authorization"] = f"Bearer {server.token}"
    return session


def kill_when_it_is_written(server: Server, versions: int, killed: threading.Event) -> None:
    """Kill the workers as soon as the database has so many versions."""
    workers = server.workers()
    uri = f"file:{server.data / 'registry.db'}?mode=ro"
    with sqlite3.connect(uri, uri=True) as database:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            (count,) = database.execute("SELECT count(*) FROM versions").fetchone()
            if count >= versions:
                for pid in workers:
                    os.kill(pid, signal.SIGKILL)
                killed.set()
                break
    database.close()


@pytest.mark.slow  # test_mlflow_artifacts.py has a request that fails after its commit
def test_a_worker_that_is_killed_leaves_one_version_for_each_request(hardy_server: Server) -> None:
    server = hardy_server
    files = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/uploads/killed"
    create = f"{server.url}/api/2.0/mlflow/model-versions/create"
    with as_mlflow_repeats(server) as session, ThreadPoolExecutor(1) as threads:
        assert session.post(f"{server.url}/models", json={"name": "killed"}).status_code == 201
        for name, content in (("MLmodel", MLMODEL), ("model.skops", iris_artifact())):
            assert session.put(f"{files}/{name}", data=content).status_code == 200
        body = {"name": "killed", "source": "mlflow-artifacts:/uploads/killed"}
        for number in range(1, KILLS + 1):
            killed = threading.Event()
            killing = threads.submit(kill_when_it_is_written, server, number, killed)
            answer = session.post(create, json=body, timeout=120)
            assert answer.status_code == 200, answer.text
            assert answer.json()["model_version"]["version"] == str(number)
            killing.result()
            assert killed.is_set()
            wait_until(lambda: len(server.workers()) == 2, "the workers were not replaced")
            wait_until(lambda: server.call("GET", "/readyz").ok, "the server is not ready")
    found = server.call("GET", "/models/killed/versions").json()
    assert [each["version"] for each in found["items"]] == list(range(KILLS, 0, -1))
