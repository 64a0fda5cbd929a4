"""MLflow, unmodified, behind a load balancer that sends each of its requests to another host."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
from balancer import Balancer, balancing
from conftest import ROOT, House
from mlflow import MlflowClient
from test_mlflow_models import FLOWERS, MODELS, saved, served, upload


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[list[House]]:
    """Two hosts with one PostgreSQL and one bucket."""
    command = [ROOT / ".venv/bin/python", "-m", "tests.hosts.serve", tmp_path / "hosts", "2"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        line = process.stdout.readline()
        assert line, (tmp_path / "log").read_text()[-2000:]
        made = json.loads(line)
        yield [House(url.removeprefix("http://"), made["token"]) for url in made["urls"]]
    finally:
        process.communicate(timeout=120)


@pytest.fixture
def balancer(hosts: list[House]) -> Iterator[Balancer]:
    with balancing([host.url for host in hosts]) as made:
        yield made
    mlflow.set_registry_uri("")
    mlflow.set_tracking_uri("")


def test_a_model_is_uploaded_to_two_hosts_and_registered_served_and_loaded(
    balancer: Balancer, hosts: list[House], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(f"127.0.0.1:{balancer.server_port}", hosts[0].token)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", house.token)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.set_registry_uri(house.url)
    client = MlflowClient(registry_uri=house.url)
    frame, model = MODELS["forest"]()
    client.create_registered_model("flowers")

    source = upload(house, saved(model, frame, tmp_path / "model"), "flowers")
    puts = [host for method, host in balancer.passed if method == "PUT"]
    assert len(puts) > 4
    assert len(set(puts)) == 2
    for number in ("1", "2"):  # of each host
        assert client.create_model_version("flowers", source).version == number
    client.set_registered_model_alias("flowers", "production", "2")

    expected = model.predict(FLOWERS)
    for host in hosts:
        assert np.array_equal(served(host, "flowers", FLOWERS), expected)
    loaded = mlflow.pyfunc.load_model("models:/flowers@production")
    assert np.array_equal(loaded.predict(FLOWERS), expected)
