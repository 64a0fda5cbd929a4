"""Calls the tasks of the keeper when they are due, and shows that it does."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from registry.errors import RegistryError

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
"""The longest time between two rounds in which nothing is due."""
REPEAT_SECONDS = 60.0
"""How often a failure that lasts is logged."""


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do every ``seconds``, counted from the end of the last time.

    ``name`` says what is done, for the log: 'moving rollouts'. What ``run`` raises is logged, and
    the task is called again when it is due. While it runs, the keeper does nothing else.
    """

    name: str
    seconds: float
    run: Callable[[], None]


@dataclass(slots=True)
class _Schedule:
    """When a task is due, and since when it has failed as it did the last time."""

    task: Task
    due: float
    failure: str = ""
    logged: float = 0.0


class Loop:
    """Calls ``tasks`` in their order when they are due, and ``beat`` after each round.

    So there is no beat while a task hangs. The first round calls every task.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        beat: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._schedules = [_Schedule(task, clock()) for task in tasks]
        self._beat = beat
        self._clock = clock

    def run(self, stopping: threading.Event) -> None:
        """Call the tasks until ``stopping`` is set; a task that runs then is finished first."""
        while not stopping.is_set():
            self.run_due(stopping)
            stopping.wait(self.pause())

    def run_due(self, stopping: threading.Event) -> None:
        """One round: call what is due, unless ``stopping`` is set, and beat."""
        for schedule in self._schedules:
            if stopping.is_set():
                return
            if schedule.due <= self._clock():
                self._call(schedule)
                schedule.due = self._clock() + schedule.task.seconds
        self._beat()

    def pause(self) -> float:
        """Seconds until the next round."""
        first = min((schedule.due for schedule in self._schedules), default=float("inf"))
        return min(max(first - self._clock(), 0.0), BEAT_SECONDS)

    def _call(self, schedule: _Schedule) -> None:
        task = schedule.task
        try:
            task.run()
        except (RegistryError, SQLAlchemyError, OSError) as error:
            self._failed(schedule, f"{type(error).__name__}: {error}", None)
        except Exception as error:  # noqa: BLE001 - a fault in one task must not end the others
            self._failed(schedule, type(error).__name__, error)
        else:
            if schedule.failure:
                logger.info("%s works again", task.name)
            schedule.failure = ""

    def _failed(self, schedule: _Schedule, failure: str, unexpected: Exception | None) -> None:
        """Log the failure if it is a new one, or was logged long ago."""
        now = self._clock()
        if failure == schedule.failure and now - schedule.logged < REPEAT_SECONDS:
            return
        schedule.failure, schedule.logged = failure, now
        level = logging.WARNING if unexpected is None else logging.ERROR
        logger.log(
            level,
            "%s failed, and is tried again: %s",
            schedule.task.name,
            failure,
            exc_info=unexpected,
        )
