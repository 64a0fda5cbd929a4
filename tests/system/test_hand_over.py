"""The main process is replaced under load, also while processes are killed."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.swap import constant_model, swap
from benchmarks.swap_record import check
from cli.worker import RETIRE_SECONDS
from tests.processes import is_alive
from tests.system.generations import Generations, generations
from tests.system.models import upload
from tests.system.real_server import BIN, Server, free_port, running, wait_until

MODEL = "swapped"
ANSWERS: dict[int, object] = {1: 100.0, 2: 200.0, 3: 300.0}

pytestmark = pytest.mark.slow  # integration/cli/test_hand_over.py has the protocol


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with three versions, which no service uses."""
    data = tmp_path_factory.mktemp("generations") / "data"
    with running([BIN / "hotswap", "serve", "--workers", "1"], data, free_port()) as server:
        for value in ANSWERS.values():
            upload(server, MODEL, constant_model(float(str(value))))
        server.call("POST", f"/models/{MODEL}/1/promote").raise_for_status()
    return data


@pytest.fixture(params=[False, True], ids=["tcp", "unix"])
def service(request: pytest.FixtureRequest, data: Path) -> Iterator[Generations]:
    with generations(data, unix=request.param) as service:
        yield service


def test_hand_overs_during_promotions_lose_no_requests_and_serve_nothing_stale(
    service: Generations,
) -> None:
    check_hand_overs(service)


def check_hand_overs(service: Generations) -> None:
    """Replace it again and again while versions are promoted."""
    stop, replaced = threading.Event(), list[float]()

    def replace() -> None:
        while not stop.is_set():
            service.replace(by_signal=len(replaced) % 2 == 0)
            replaced.append(time.monotonic())

    replacing = threading.Thread(target=replace)
    replacing.start()
    replies, verdicts, moves = 0, [], 0
    try:
        while len(replaced) < 2:  # each takes longer on a busy machine
            recorded, moved = swap(
                service.target, ANSWERS, moves=40, connections=4, pause=0.15, steady=0.5
            )
            verdicts.append(check(recorded, moved, ANSWERS))
            moves += len(moved)
            replies += len(recorded)
            assert replacing.is_alive(), "a hand-over failed"
    finally:
        stop.set()
        replacing.join()

    failed = [reply for verdict in verdicts for reply in verdict.failed]
    stale = [reply for verdict in verdicts for reply in verdict.stale]
    sys.stdout.write(
        f"{len(replaced)} hand-overs, {moves} promotions, {replies} replies, "
        f"{len(failed)} failed, {len(stale)} stale\n"
    )
    assert all(verdict.clean for verdict in verdicts), f"{failed[:3]} {stale[:3]}"


def test_a_client_that_pauses_during_a_hand_over_loses_no_request(service: Generations) -> None:
    before = service.holder()
    connections = [service.target.connect() for _ in range(4)]
    assert [_status(one) for one in connections] == [200] * 4

    service.start("--take-over")
    wait_until(lambda: service.holder() != before, "it was not replaced")
    time.sleep(2 * RETIRE_SECONDS)

    assert [_status(one) for one in connections] == [200] * 4


def _status(connection: http.client.HTTPConnection) -> int:
    """The status of a GET over an open connection."""
    if connection.sock is None:
        connection.connect()
    connection.auto_open = 0
    connection.request("GET", "/livez")
    response = connection.getresponse()
    response.read()
    return response.status


@pytest.mark.parametrize("delay", [0.3, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("victim", ["predecessor", "successor"])
def test_a_kill_during_a_hand_over_leaves_a_service_or_lets_the_next_start(
    data: Path, victim: str, delay: float
) -> None:
    with generations(data, unix=True) as service:
        before = service.holder()
        successor = service.start("--take-over")
        time.sleep(delay)
        killed = before if victim == "predecessor" else successor.pid
        os.kill(killed, signal.SIGKILL)
        if victim == "successor":
            successor.wait()
        wait_until(lambda: not is_alive(killed), "it was not killed")

        # One that had just been told to yield ends now, and then nobody serves.
        service.revive()
        service.replace(by_signal=True)
        assert service.status(f"/models/{MODEL}") == 200


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("raise ImportError('a broken release')", "a worker ended before it was ready"),
        ("import os; os._exit(3)", "a worker ended before it was ready"),
    ],
)
def test_a_failing_successor_leaves_the_service_running(
    service: Generations, tmp_path: Path, fault: str, said: str
) -> None:
    (tmp_path / "wsgi.py").write_text(fault)
    before = service.holder()

    ended = service.start("--take-over", PYTHONPATH=str(tmp_path)).wait(120)

    assert ended == 1
    assert f"The service was not taken over: {said}" in service.log.read_text()
    assert service.holder() == before
    for _ in range(20):
        assert service.status() == 200
    service.replace(by_signal=True)


def test_a_service_that_cannot_be_handed_over_serves_and_says_so(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "run" / "main.sock" / "here").mkdir(parents=True)

    with running([BIN / "hotswap", "serve", "--workers", "1"], data, free_port()) as server:
        wait_until(lambda: "Hotswap serves at" in server.log.read_text(), "it is not announced")

        assert "the service cannot be handed over: " in server.log.read_text()
        assert server.call("GET", "/models").status_code == 200


def test_a_second_service_on_a_directory_is_refused_by_name(service: Generations) -> None:
    refused = subprocess.run(
        [BIN / "hotswap", "serve", "--port", str(free_port())],
        env=service.environment | {"HOTSWAP_UDS": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert refused.returncode == 1
    assert f"is in use by process {service.holder()} on " in refused.stderr
    assert service.status() == 200


def test_gunicorn_workers_do_not_hold_the_directory(tmp_path: Path) -> None:
    port, data = free_port(), tmp_path / "data"
    command = [BIN / "gunicorn", "wsgi:app", "-w", "2", "-b", f"127.0.0.1:{port}"]
    with (
        running(command, data, port) as under_gunicorn,
        running([BIN / "hotswap", "serve", "--workers", "1"], data, free_port()) as server,
    ):
        one: Server
        for one in (under_gunicorn, server):
            assert one.call("GET", "/models").status_code == 200
