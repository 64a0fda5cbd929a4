"""The counts of predictions while workers are killed and replaced."""

import os
import re
import signal

import pytest

from benchmarks.swap import constant_model
from tests.system.real_server import Server, wait_until

PREDICTIONS = re.compile(
    r'^hotswap_predictions_total\{alias="(.*?)",model="counted",outcome="ok",version="1"\} (\S+)$',
    re.MULTILINE,
)


def counted(server: Server) -> int:
    """The answered predictions of the model, as any worker reports them."""
    return sum(
        int(float(count)) for _, count in PREDICTIONS.findall(server.call("GET", "/metrics").text)
    )


def predict(server: Server, times: int) -> None:
    for _ in range(times):
        answer = server.call("POST", "/models/counted/predict", json={"x0": 1.0, "x1": 2.0})
        assert answer.status_code == 200, answer.text


def wait_for_successors(server: Server, ended: set[int], least: int) -> None:
    """Wait until other workers have taken the place of ``ended``; meanwhile the count never falls
    below ``least``."""

    def replaced() -> bool:
        assert counted(server) >= least
        workers = set(server.workers())
        return len(workers) == 2 and not workers & ended

    wait_until(replaced, "the workers were not replaced")


@pytest.mark.slow
def test_no_count_decreases_while_workers_are_killed_and_replaced(own_server: Server) -> None:
    artifact = {"artifact": ("model.skops", constant_model(1.0))}
    assert own_server.call("POST", "/models/counted/versions", files=artifact).ok
    assert own_server.call("POST", "/models/counted/1/promote").ok
    predict(own_server, 40)
    wait_until(lambda: counted(own_server) == 40, "predictions were not counted")

    killed = min(own_server.workers())
    os.kill(killed, signal.SIGKILL)
    wait_for_successors(own_server, {killed}, least=40)
    predict(own_server, 20)
    wait_until(lambda: counted(own_server) == 60, "predictions were lost or counted twice")

    before = set(own_server.workers())
    own_server.process.send_signal(signal.SIGHUP)  # replaces all workers
    wait_for_successors(own_server, before, least=60)
    predict(own_server, 20)
    wait_until(lambda: counted(own_server) == 80, "predictions were lost or counted twice")
