"""A real server with a model that only scikit-learn serves, and what kills its processes."""

import io
import os
import signal
from pathlib import Path

import pytest
import requests
import skops.io
from sklearn.datasets import load_diabetes
from sklearn.neighbors import KNeighborsRegressor

from tests.processes import children, is_alive, wait_for, zygotes
from tests.system.models import upload
from tests.system.real_server import Server

ROWS = load_diabetes().data[:5]


@pytest.fixture
def expected(own_server: Server) -> list[float]:
    """What the model answers; it is in production on the server."""
    data = load_diabetes()
    model = KNeighborsRegressor(3)
    model.fit(data.data, data.target)
    content = io.BytesIO()
    skops.io.dump(model, content)
    view = upload(own_server, "plain", content.getvalue())
    assert view["engine"]["name"] == "scikit-learn"
    own_server.call("POST", "/models/plain/1/promote").raise_for_status()
    answers: list[float] = model.predict(ROWS).tolist()
    return answers


def ask(server: Server) -> requests.Response:
    body = {"instances": ROWS.tolist()}
    return server.call("POST", "/models/plain/predict", json=body)


def helpers(server: Server) -> list[int]:
    """The confined processes of all workers."""
    return [
        child
        for worker in server.workers()
        for zygote in zygotes(worker)
        for child in children(zygote)
        if is_alive(child)
    ]


@pytest.mark.slow
def test_predictions_continue_after_model_processes_are_killed(
    own_server: Server, expected: list[float]
) -> None:
    for _ in range(4):
        assert ask(own_server).json()["predictions"] == expected
    confined = wait_for(lambda: len(helpers(own_server)) == 2 and helpers(own_server))
    for helper in confined:
        status = Path(f"/proc/{helper}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        assert "CapEff:\t0000000000000000" in status

    for helper in confined:
        os.kill(helper, signal.SIGKILL)
    assert {ask(own_server).status_code for _ in range(8)} == {200}

    for worker in own_server.workers():
        for zygote in zygotes(worker):
            os.kill(zygote, signal.SIGKILL)
    assert {ask(own_server).status_code for _ in range(8)} == {200}

    worker = own_server.workers()[0]
    mine = [*zygotes(worker), *[c for z in zygotes(worker) for c in children(z)]]
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: not any(map(is_alive, mine)))
    assert ask(own_server).json()["predictions"] == expected

    all_now = [*helpers(own_server)]
    own_server.process.terminate()
    own_server.process.wait(20)
    wait_for(lambda: not any(map(is_alive, all_now)))
