"""Directories of MLflow's clients, whose requests reach another host each time."""

from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
import requests
import skops.io
from sklearn.ensemble import RandomForestClassifier

from tests.hosts.hosts import Cluster, Host, cluster
from tests.integration.api.test_mlflow_artifacts import CREATE, FILES, MLMODEL

ROWS = np.random.default_rng(0).normal(size=(200, 3))
MODEL = RandomForestClassifier(10, random_state=0).fit(ROWS, ROWS[:, 0] > ROWS[:, 1])


def send(own: Cluster, host: Host, method: str, path: str, **options: object) -> requests.Response:
    headers = {"Authorization": f"Bearer {own.token}"}
    answer = requests.request(method, f"{host.url}{path}", headers=headers, timeout=60, **options)  # type: ignore[arg-type]
    assert answer.ok, answer.text
    return answer


@pytest.mark.slow
def test_another_host_registers_what_a_host_received_that_was_killed(tmp_path: Path) -> None:
    files = {
        "MLmodel": MLMODEL.replace('[{"type": "double", "name": "x", "required": true}]', "[]"),
        "model.skops": skops.io.dumps(MODEL),
        "requirements.txt": "scikit-learn==1.9.1\n",
        **{f"notes/{number}": bytes([number]) * 100_000 for number in range(20)},
    }
    with cluster(tmp_path, hosts=3, workers=1, HOTSWAP_LEASE_SECONDS="4") as own:
        first, *others = own.hosts
        send(own, first, "POST", "/models", json={"name": "forest"})
        for host, (path, content) in zip(cycle(own.hosts), files.items()):
            send(own, host, "PUT", f"{FILES}/uploads/forest/{path}", data=content)
        first.kill()
        for number, host in enumerate(others, 1):
            body = {"name": "forest", "source": "mlflow-artifacts:/uploads/forest"}
            made = send(own, host, "POST", CREATE, json=body).json()["model_version"]
            assert made["version"] == str(number)
        send(own, others[0], "POST", "/models/forest/2/promote")

        first.start()
        first.wait_ready()
        body = {"instances": ROWS.tolist()}
        for host in own.hosts:
            predicted = send(own, host, "POST", "/models/forest/predict", json=body).json()
            assert predicted["predictions"] == MODEL.predict(ROWS).tolist()
            for path, content in files.items():
                given = send(own, host, "GET", f"{FILES}/models/forest/2/{path}").content
                assert given == (content.encode() if isinstance(content, str) else content)
