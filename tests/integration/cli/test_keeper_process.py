"""How ``hotswap serve`` starts the keeper, and another one when it has ended."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.keeper_process import KeeperProcess
from tests.processes import is_alive, wait_for

STAND_IN = "import sys; sys.stdin.read()"
"""Ends with the pipe that it reads, as a keeper does."""
STUBBORN = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); sys.stdin.read()"


class Pauses:
    """Does not sleep, and notes how long it should have."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        assert self.go_on.wait(20)


Begin = Callable[..., KeeperProcess]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Starts a keeper of this Python code; closed at the end."""
    begun = []

    def start(code: str, pauses: Pauses, **more: Callable[[], float]) -> KeeperProcess:
        keeper = KeeperProcess([sys.executable, "-c", code], pauses, **more)
        begun.append(keeper)
        keeper.start()
        return keeper

    yield start
    for keeper in begun:
        keeper.close()


def test_one_that_was_killed_is_replaced_after_a_pause_that_doubles_up_to_a_minute(
    begin: Begin,
) -> None:
    pauses = Pauses()
    keeper = begin(STAND_IN, pauses)
    for _ in range(8):
        pid = wait_for(lambda: keeper.pid)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda pid=pid: keeper.pid not in {None, pid})

    assert pauses.seconds == [1, 2, 4, 8, 16, 32, 60, 60]


def test_the_pauses_begin_again_after_it_ran_for_long(begin: Begin) -> None:
    pauses, times = Pauses(), iter(range(0, 10**6, 100))
    keeper = begin(STAND_IN, pauses, clock=lambda: float(next(times)))
    for _ in range(3):
        pid = wait_for(lambda: keeper.pid)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda pid=pid: keeper.pid not in {None, pid})

    assert pauses.seconds == [1, 1, 1]


def test_it_is_replaced_at_once_where_that_was_asked_for(begin: Begin) -> None:
    pauses = Pauses()
    keeper = begin(STAND_IN, pauses)
    first = wait_for(lambda: keeper.pid)

    keeper.replace()

    wait_for(lambda: keeper.pid not in {None, first})
    assert not is_alive(first)
    assert pauses.seconds == []


def test_after_the_stop_none_is_started(begin: Begin) -> None:
    pauses = Pauses()
    keeper = begin(STAND_IN, pauses)
    pid = wait_for(lambda: keeper.pid)

    keeper.close()

    assert not is_alive(pid)
    assert (keeper.pid, pauses.seconds) == (None, [])


def test_one_that_does_not_stop_in_time_is_killed(begin: Begin, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = STUBBORN.replace("sys.stdin", f"open({str(ready)!r}, 'w').close(); sys.stdin")
    keeper = begin(code, Pauses())
    pid = wait_for(lambda: keeper.pid)
    wait_for(ready.exists)

    keeper.close()

    assert not is_alive(pid)


def test_one_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    pauses = Pauses()
    keeper = KeeperProcess([str(tmp_path / "gone")], pauses)
    keeper.start()

    wait_for(lambda: len(pauses.seconds) > 3)
    pauses.go_on.clear()
    keeper.close()
    pauses.go_on.set()

    assert keeper.pid is None
    assert pauses.seconds[:3] == [1, 2, 4]
