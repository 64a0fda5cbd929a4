"""Predictions are recorded by the minute while workers are killed."""

import os
import signal

import pytest

from benchmarks.swap import constant_model
from tests.system.real_server import Server, wait_until


def answered(server: Server, window: str) -> int:
    found = server.call("GET", f"/models/counted/traffic?window={window}").json()
    return sum(version["ok"] for version in found["versions"])


def predict(server: Server, times: int) -> None:
    for _ in range(times):
        answer = server.call("POST", "/models/counted/predict", json={"x0": 1.0, "x1": 2.0})
        assert answer.status_code == 200, answer.text


def counted(server: Server) -> bool:
    return 'model="counted",outcome="ok",version="1"} 20.0' in server.call("GET", "/metrics").text


@pytest.mark.slow
def test_every_prediction_is_recorded_once_whichever_worker_records(own_server: Server) -> None:
    artifact = {"artifact": ("model.skops", constant_model(1.0))}
    assert own_server.call("POST", "/models/counted/versions", files=artifact).ok
    assert own_server.call("POST", "/models/counted/1/promote").ok
    predict(own_server, 20)
    wait_until(lambda: counted(own_server), "predictions were not counted")
    wait_until(lambda: answered(own_server, "1h") == 20, "they were not recorded", seconds=150)

    for worker in own_server.workers():
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: len(own_server.workers()) == 2, "the workers were not replaced")
    predict(own_server, 30)

    wait_until(lambda: answered(own_server, "1h") >= 50, "not recorded again", seconds=150)
    assert (answered(own_server, "1h"), answered(own_server, "30d")) == (50, 50)
