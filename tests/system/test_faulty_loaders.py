"""Versions that crash or hang the worker that loads them, and what a worker imports to serve."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from benchmarks.swap import constant_model
from tests.system.load import predicting
from tests.system.models import upload
from tests.system.real_server import Server, free_port, running, wait_until

pytestmark = pytest.mark.slow  # integration/serving/test_fleet.py has what the workers agree on
SERVE = [sys.executable, "-m", "tests.system.serve_module", "tests.system.faulty_wsgi:app"]
ROW = {"x0": 1.0, "x1": 2.0}


@pytest.fixture(scope="module")
def faulty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("faulty") / "data"
    with running(SERVE, data, free_port(), HOTSWAP_WORKERS="2") as started:
        yield started


def test_a_version_that_crashes_its_loader_is_refused_and_the_requesting_worker_survives(
    faulty_server: Server,
) -> None:
    _two_versions(faulty_server, "crashing")
    before = set(faulty_server.workers())

    refused = faulty_server.call("POST", "/models/crashing/2/promote")

    assert refused.status_code == 409
    assert "A worker died while it loaded the version" in refused.json()["detail"]
    assert len(before & set(faulty_server.workers())) == 1, "who promoted is the one that lives"
    _nothing_changed(faulty_server, "crashing")
    wait_until(lambda: len(faulty_server.workers()) == 2, "no worker came in its place")


def test_a_version_that_hangs_its_loader_is_refused_without_disturbing_predictions(
    faulty_server: Server,
) -> None:
    _two_versions(faulty_server, "hanging")
    with predicting(faulty_server) as load:
        refused = faulty_server.call("POST", "/models/hanging/2/promote")

    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/version-not-loadable"
    assert "did not load the version" in refused.json()["detail"]
    assert load.failed == []
    _nothing_changed(faulty_server, "hanging")


def test_a_worker_that_serves_compiled_models_imports_neither_scikit_learn_nor_pandas(
    tmp_path: Path,
) -> None:
    data, port = tmp_path / "data", free_port()
    with running(SERVE, data, port, HOTSWAP_WORKERS="1") as server:
        _two_versions(server, "plain")
        server.hotswap(
            "train", "sklearn:iris", "--kind", "forest", "--name", "flowers", "--promote"
        )
    with running(SERVE, data, port, HOTSWAP_WORKERS="1") as server:
        example = server.call("GET", "/models/flowers/1").json()["input_example"]
        for name, body in (("plain", ROW), ("flowers", example), ("flowers", {"instances": []})):
            reply = server.call("POST", f"/models/{name}/predict", json=body)
            assert reply.status_code == (422 if "instances" in body else 200), reply.text
        server.call("POST", "/models/plain/2/promote").raise_for_status()
        modules = {
            name.partition(".")[0]
            for name in requests.get(f"{server.url}/modules", timeout=30).json()
        }

    assert "numpy" in modules
    assert modules.isdisjoint({"sklearn", "pandas", "scipy", "joblib", "skops", "onnx", "skl2onnx"})


def _two_versions(server: Server, name: str) -> None:
    for value in (100.0, 200.0):
        upload(server, name, constant_model(value))
    server.call("POST", f"/models/{name}/1/promote").raise_for_status()


def _nothing_changed(server: Server, name: str) -> None:
    history = server.call("GET", f"/models/{name}/history").json()["items"]
    assert [event["type"] for event in history].count("promoted") == 1
    answer = server.call("POST", f"/models/{name}/predict", json=ROW)
    assert answer.json() == {"model": name, "version": 1, "prediction": 100.0}
