"""A worker of the shared server is killed, after the other tests of that server have run."""

import os
import signal

from benchmarks.swap import constant_model
from tests.system.models import upload
from tests.system.real_server import Server, wait_until

ROW = {"x0": 1.0, "x1": 2.0}


def test_a_killed_worker_is_replaced_and_nothing_acknowledged_is_lost(server: Server) -> None:
    for value in (100.0, 200.0):
        upload(server, "survivor", constant_model(value))
    server.call("POST", "/models/survivor/2/promote").raise_for_status()
    before = server.workers()
    assert len(before) == 2

    os.kill(before[0], signal.SIGKILL)

    wait_until(lambda: len(set(server.workers()) - set(before)) == 1, "no worker came in its place")
    replies = [server.call("POST", "/models/survivor/predict", json=ROW) for _ in range(20)]
    assert {reply.status_code for reply in replies} == {200}
    assert {reply.json()["version"] for reply in replies} == {2}
    assert {reply.json()["prediction"] for reply in replies} == {200.0}
