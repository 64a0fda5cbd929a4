"""Many large bodies at the same time on one worker of the real server."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.system.models import upload
from tests.system.real_server import BIN, Server, free_port, running

pytestmark = pytest.mark.slow  # unit/api/test_decoding.py has the budget

HEADER = b"x0,x1,x2,x3\n"
ROW = b"5.1,3.5,1.4,0.2\n"


@pytest.fixture(scope="module")
def narrow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one worker that may decode 20 MiB at the same time."""
    data = tmp_path_factory.mktemp("narrow") / "data"
    command = [BIN / "hotswap", "serve", "--workers", "1"]
    with running(command, data, free_port(), HOTSWAP_DECODING_MB="20") as server:
        upload(server, "iris")
        yield server


def send_at_once(server: Server, body: bytes, count: int) -> list[requests.Response]:
    replies: list[requests.Response] = []
    begin = threading.Barrier(count)

    def send() -> None:
        begin.wait()
        headers = {"Content-Type": "text/csv"}
        replies.append(server.call("POST", "/models/iris/1/predict", data=body, headers=headers))

    threads = [threading.Thread(target=send) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


def test_bodies_beyond_the_memory_budget_get_503_with_retry_after(narrow_server: Server) -> None:
    rows = 150_000
    replies = send_at_once(narrow_server, HEADER + ROW * rows, 8)

    assert {reply.status_code for reply in replies} == {200, 503}
    for reply in replies:
        if reply.status_code == 503:
            assert reply.json()["type"] == "/problems/worker-full"
            assert int(reply.headers["Retry-After"]) > 0
        else:
            assert reply.json()["predictions"] == ["setosa"] * rows
    small = narrow_server.call(
        "POST", "/models/iris/1/predict", json={"input": [5.1, 3.5, 1.4, 0.2]}
    )
    assert small.status_code == 200


def test_a_single_body_may_exceed_the_memory_budget(narrow_server: Server) -> None:
    rows = 250_000

    (reply,) = send_at_once(narrow_server, HEADER + ROW * rows, 1)

    assert reply.status_code == 200
    assert len(reply.json()["predictions"]) == rows


def test_sixteen_concurrent_large_bodies_stay_within_a_gigabyte_and_a_half(tmp_path: Path) -> None:
    command = [BIN / "hotswap", "serve", "--workers", "1"]
    with running(command, tmp_path / "data", free_port()) as server:
        upload(server, "iris")
        replies = send_at_once(server, HEADER + ROW * (15 * 2**20 // len(ROW)), 16)
        (worker,) = server.workers()
        peak = status_megabytes(worker, "VmHWM")

    assert {reply.status_code for reply in replies} <= {200, 503}
    assert 200 in {reply.status_code for reply in replies}
    assert peak < 1500


def status_megabytes(pid: int, field: str) -> int:
    """From what Linux says of the process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) // 1024
    raise AssertionError(f"no {field}")
