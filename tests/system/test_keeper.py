"""The keeper of the real server."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.watching.heartbeat import last_beat
from tests.processes import is_alive, wait_for
from tests.system.real_server import BIN, Server, free_port, running

SERVE: list[str | Path] = [BIN / "hotswap", "serve", "--workers", "1"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(SERVE, tmp_path / "data", free_port(), HOTSWAP_WATCH="1") as started:
        yield started


def keeper_of(data: Path, *, but: int = 0) -> int:
    """The process id of the keeper that beats, if it is another one than ``but``; 0: there is
    none."""
    beat = last_beat(data / "run")
    return 0 if beat is None or beat.age > 5 or beat.pid == but else beat.pid


def test_it_starts_with_the_server_is_replaced_when_killed_and_stops_with_it(
    server: Server,
) -> None:
    first = wait_for(lambda: keeper_of(server.data))
    os.kill(first, signal.SIGKILL)
    second = wait_for(lambda: keeper_of(server.data, but=first))
    assert server.call("GET", "/readyz").ok

    server.process.terminate()

    assert server.process.wait(30) == 0
    assert not is_alive(second)
    assert "was killed by signal 9; another one is started in 1 s" in server.log.read_text()


@pytest.mark.slow
def test_it_ends_when_the_main_process_is_killed(server: Server) -> None:
    keeper = wait_for(lambda: keeper_of(server.data))

    server.process.kill()

    wait_for(lambda: not is_alive(keeper))
