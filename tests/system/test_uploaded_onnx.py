"""A real server with uploaded ONNX files that crash, use much memory or are slow."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import requests

from tests.attacks.onnx_graphs import AXES, looping, model, node, overflowing
from tests.processes import children, memory, zygotes
from tests.system.models import upload
from tests.system.real_server import BIN, Server, free_port, running, wait_until

pytestmark = pytest.mark.slow  # integration/engines has the process that these files run in

MEGABYTE = 2**20
IRIS = {"instances": [[5.1, 3.5, 1.4, 0.2]]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker, with irises beside the files that misbehave."""
    data = tmp_path_factory.mktemp("onnx") / "data"
    with running([BIN / "hotswap", "serve", "--workers", "1"], data, free_port()) as started:
        upload(started, "iris")
        started.call("POST", "/models/iris/1/promote").raise_for_status()
        yield started


def promoted(server: Server, name: str, graph: Any) -> None:
    """Upload an ONNX file as the model ``name`` and put it in production."""
    content = graph.SerializeToString()
    view = upload(server, name, content, format="onnx")
    assert view["engine"]["name"] == "onnxruntime"
    server.call("POST", f"/models/{name}/1/promote").raise_for_status()


def ask(server: Server, name: str, *row: float) -> requests.Response:
    return server.call("POST", f"/models/{name}/predict", json={"instances": [list(row)]})


def test_a_prediction_that_crashes_the_processor_ends_no_worker(server: Server) -> None:
    promoted(server, "dividing", overflowing())
    before = server.workers()
    assert ask(server, "dividing", 1, 1, 1).status_code == 200

    for attempt in range(6):
        answer = ask(server, "dividing", -1_000_000, 0, 0)
        # The process is started twice at once; then it has to wait.
        assert answer.status_code == (422 if attempt == 0 else 503), answer.text
        assert attempt or "(SIGFPE)" in answer.json()["detail"]
        assert server.call("POST", "/models/iris/predict", json=IRIS).status_code == 200

    assert server.workers() == before
    wait_until(lambda: ask(server, "dividing", 1, 1, 1).ok, "the process was not started again")


def swelling() -> Any:
    """32,768 numbers for each row, from a file of 128 KB."""
    return model(
        node("MatMul", "x w", "wide"),
        node("ReduceSum", "wide axes"),
        constants={**AXES, "w": np.ones((1, 32_768), np.float32)},
        inputs={"x": [None, 1]},
    )


def test_the_memory_of_large_batches_is_bounded_and_returned(server: Server) -> None:
    promoted(server, "swelling", swelling())
    (worker,) = server.workers()
    text = "x0\n" + "1\n" * 4096
    headers = {"Content-Type": "text/csv"}

    def ask_for_all(rows: str) -> requests.Response:
        return server.call("POST", "/models/swelling/predict", data=rows, headers=headers)

    assert ask_for_all(text[:100]).ok
    confined = set(children(zygotes(worker)[0]))
    before = memory(worker), sum(map(memory, confined))

    for _ in range(2):  # half a gigabyte each
        answer = ask_for_all(text)
        assert answer.status_code == 200, answer.text
        assert answer.json()["predictions"] == [32_768.0] * 4096
    more = ask_for_all("x0\n" + "1\n" * 40_000)

    assert more.status_code == 422, "five gigabytes are more than its limit"
    after = memory(worker), sum(map(memory, set(children(zygotes(worker)[0]))))
    assert after[0] - before[0] < 50 * MEGABYTE
    assert after[1] - before[1] < 100 * MEGABYTE


def test_a_slow_model_delays_neither_health_checks_nor_other_models(server: Server) -> None:
    promoted(server, "looping", looping(1000))
    promoted(server, "looping-too", looping(1000))
    began = time.monotonic()
    assert ask(server, "looping", 10_000, 0, 0).ok  # 100,000 turns
    number = 2_000 / (time.monotonic() - began)  # takes a fifth of a second

    def slow(request: int) -> int:
        name = ("looping", "looping-too")[request % 2]
        return ask(server, name, number, 0, 0).status_code

    longest, asked_at = 0.0, time.monotonic()
    with ThreadPoolExecutor(60) as threads:
        asked = [threads.submit(slow, request) for request in range(60)]
        while not all(each.done() for each in asked):
            began = time.monotonic()
            assert server.call("GET", "/livez").status_code == 200
            assert server.call("POST", "/models/iris/predict", json=IRIS).status_code == 200
            longest = max(longest, time.monotonic() - began)

    took = time.monotonic() - asked_at
    statuses = [each.result() for each in asked]
    assert set(statuses) <= {200, 503}
    assert 503 in statuses, "more waited for one model than may"
    assert longest < took / 2, "nobody waited until the slow ones were answered"
