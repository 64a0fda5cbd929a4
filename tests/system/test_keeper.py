"""The keeper of the real server."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.swap import constant_model
from registry.watching.heartbeat import last_beat
from tests.processes import is_alive, wait_for
from tests.system.generations import generations
from tests.system.models import upload
from tests.system.real_server import BIN, Server, free_port, running

SERVE: list[str | Path] = [BIN / "hotswap", "serve", "--workers", "1"]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Server]:
    with running(SERVE, tmp_path / "data", free_port(), HOTSWAP_WATCH="1") as started:
        yield started


def keeper_of(data: Path, *, but: int = 0) -> int:
    """The process id of the keeper that beats, if it is another one than ``but``; 0: there is
    none."""
    beat = last_beat(data / "run")
    return 0 if beat is None or beat.age > 5 or beat.pid == but else beat.pid


@pytest.mark.slow  # test_processes.py has a start and a stop, cli/test_keeper_process.py the rest
def test_it_starts_with_the_server_is_replaced_when_killed_and_stops_with_it(
    watched: Server,
) -> None:
    first = wait_for(lambda: keeper_of(watched.data))
    os.kill(first, signal.SIGKILL)
    second = wait_for(lambda: keeper_of(watched.data, but=first))
    assert watched.call("GET", "/readyz").ok

    watched.process.terminate()

    assert watched.process.wait(30) == 0
    assert not is_alive(second)
    assert "was killed by signal 9; another one is started in 1 s" in watched.log.read_text()


def test_without_watching_there_is_none(server: Server) -> None:
    """``running`` sets HOTSWAP_WATCH=0."""
    assert server.call("GET", "/readyz").ok
    assert not (server.data / "run" / "keeper").exists()
    assert keepers_on(server.data) == []


@pytest.mark.slow
def test_it_ends_when_the_main_process_is_killed(watched: Server) -> None:
    keeper = wait_for(lambda: keeper_of(watched.data))

    watched.process.kill()

    wait_for(lambda: not is_alive(keeper))


@pytest.mark.slow
def test_the_workers_are_replaced_together_with_the_keeper(watched: Server) -> None:
    first = wait_for(lambda: keeper_of(watched.data))
    wait_for(lambda: len(watched.workers()) == 1)

    watched.process.send_signal(signal.SIGHUP)

    wait_for(lambda: keeper_of(watched.data, but=first))
    assert not is_alive(first)
    assert "ended with exit code" not in watched.log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("by_signal", [True, False], ids=["signal", "command"])
def test_after_a_hand_over_the_keeper_of_the_successor_is_the_only_one(
    tmp_path: Path, *, by_signal: bool
) -> None:
    with generations(tmp_path / "data", unix=False, watch=True) as service:
        first = wait_for(lambda: keeper_of(service.data))

        service.replace(by_signal=by_signal)

        wait_for(lambda: keeper_of(service.data, but=first))
        wait_for(lambda: not is_alive(first))
        assert len(wait_for(lambda: keepers_on(service.data))) == 1


@pytest.mark.slow
def test_predictions_continue_while_the_keeper_is_stopped_and_killed(watched: Server) -> None:
    upload(watched, "plane", constant_model(100.0))
    watched.call("POST", "/models/plane/1/promote").raise_for_status()
    row = {"json": {"x0": 1.0, "x1": 2.0}}
    for number in (signal.SIGSTOP, signal.SIGKILL):
        os.kill(wait_for(lambda: keeper_of(watched.data)), number)
        for _ in range(50):
            assert watched.call("POST", "/models/plane/predict", **row).json()["version"] == 1


def keepers_on(data: Path) -> list[int]:
    """The process ids of all keepers of the directory, also those that wait."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (path / "cmdline").read_bytes()
            mine = f"HOTSWAP_DATA={data}".encode() in (path / "environ").read_bytes().split(b"\0")
            if mine and b"\0watch\0run" in command:
                found.append(int(path.name))
    return found
