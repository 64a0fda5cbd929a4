"""The loop of the keeper, on a clock of its own."""

import logging
import threading
from collections.abc import Callable

import pytest

from keeper.loop import BEAT_SECONDS, REPEAT_SECONDS, Loop, Task
from registry.errors import DatabaseUnavailable


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Done:
    """Notes what was done."""

    def __init__(self) -> None:
        self.what: list[str] = []

    def task(self, name: str, seconds: float) -> Task:
        return Task(name, seconds, lambda: self.what.append(name))

    def beat(self) -> None:
        self.what.append("beat")


def rounds(loop: Loop, clock: Clock, seconds: float) -> None:
    """Run the loop for this long."""
    end, going = clock.now + seconds, threading.Event()
    while clock.now < end:
        loop.run_due(going)
        clock.now += loop.pause()


def failing(error: Callable[[], Exception]) -> Task:
    def fail() -> None:
        raise error()

    return Task("moving rollouts", 1.0, fail)


def test_tasks_are_called_when_they_are_due_and_each_round_ends_with_a_beat() -> None:
    clock, done = Clock(), Done()
    loop = Loop([done.task("moves", 1.0), done.task("alerts", 3.0)], done.beat, clock)

    rounds(loop, clock, 4.0)

    assert done.what == [
        *("moves", "alerts", "beat"),
        *("moves", "beat"),
        *("moves", "beat"),
        *("moves", "alerts", "beat"),
    ]


def test_it_beats_each_second_with_nothing_to_do() -> None:
    clock, done = Clock(), Done()

    rounds(Loop([], done.beat, clock), clock, 10 * BEAT_SECONDS)

    assert done.what == ["beat"] * 10


def test_the_time_until_the_next_call_counts_from_the_end_of_the_last() -> None:
    clock, began = Clock(), list[float]()

    def work() -> None:
        began.append(clock.now)
        clock.now += 5.0

    loop = Loop([Task("working", 2.0, work)], lambda: None, clock)
    rounds(loop, clock, 14.0)

    assert began == [1000.0, 1007.0]


def test_a_task_that_fails_ends_neither_the_others_nor_the_beat() -> None:
    clock, done = Clock(), Done()
    tasks = [failing(DatabaseUnavailable), failing(lambda: KeyError("x")), done.task("alerts", 1.0)]

    rounds(Loop(tasks, done.beat, clock), clock, 2.0)

    assert done.what == ["alerts", "beat", "alerts", "beat"]


def test_a_failure_that_lasts_is_logged_once_a_minute_and_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, works = Clock(), list[bool]()

    def read() -> None:
        if not works:
            raise DatabaseUnavailable

    caplog.set_level(logging.INFO, "keeper.loop")
    loop = Loop([Task("moving rollouts", 1.0, read)], lambda: None, clock)
    rounds(loop, clock, 2 * REPEAT_SECONDS)
    works.append(True)
    rounds(loop, clock, 5.0)

    failed = "moving rollouts failed, and is tried again: DatabaseUnavailable: "
    assert [record.getMessage().startswith(failed) for record in caplog.records[:-1]] == [True] * 2
    assert caplog.records[-1].getMessage() == "moving rollouts works again"


def test_an_unexpected_failure_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    loop = Loop([failing(lambda: KeyError("secret"))], lambda: None, clock)

    rounds(loop, clock, 1.0)

    (record,) = caplog.records
    assert (record.levelname, record.exc_info is None) == ("ERROR", False)
    assert "secret" not in record.getMessage()


def test_after_a_request_to_stop_no_further_task_begins_and_nothing_beats() -> None:
    clock, done, stopping = Clock(), Done(), threading.Event()
    loop = Loop([Task("stopping", 1.0, stopping.set), done.task("alerts", 1.0)], done.beat, clock)

    loop.run(stopping)

    assert done.what == []
