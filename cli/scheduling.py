"""How Linux schedules the threads of a worker.

A thread that the kernel wakes interrupts the one that runs, if the policy is ``SCHED_OTHER``. In a
busy worker that is another of its own threads, which holds Python's lock or is just about to wake a
third one, so each request costs additional changes of threads. With ``SCHED_BATCH`` a woken thread
waits until the running one pauses (sched(7)). Beside another process that fills the same core, a
worker that only wakes now and then would wait for that process: so the policy follows how busy the
worker is. docs/decisions/0086-busy-workers-do-not-interrupt-themselves.md has measurements.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

logger = logging.getLogger(__name__)

BUSY, CALM = 0.5, 0.25
"""Shares of one core: a worker that uses more than the first is busy, until it uses less than the
second."""
PERIOD_SECONDS = 0.1

Policy = int
"""One of ``os.SCHED_OTHER``, ``os.SCHED_BATCH`` and others that an operator may choose."""


def policy_of_this_process() -> Policy:
    """That of the calling thread."""
    return os.sched_getscheduler(0)


def set_policy(policy: Policy) -> None:
    """Schedule all threads of this process by ``policy``; threads that they start inherit it.

    Raises OSError where the kernel or the container does not permit it.
    """
    found_another = True
    while found_another:  # also of a thread that another one has started meanwhile
        found_another = False
        for thread in Path("/proc/self/task").iterdir():
            try:
                if os.sched_getscheduler(int(thread.name)) != policy:
                    found_another = True
                    os.sched_setscheduler(int(thread.name), policy, os.sched_param(0))
            except ProcessLookupError:  # it has just ended
                continue


class Scheduling:
    """The policy of this process's threads, by the processor time that they use.

    ``used`` and ``clock`` are that time and the present one, in seconds; ``choose`` applies a
    policy.
    """

    def __init__(
        self,
        used: Callable[[], float] = time.process_time,
        clock: Callable[[], float] = time.monotonic,
        choose: Callable[[Policy], None] = set_policy,
    ) -> None:
        self._used = used
        self._clock = clock
        self._choose = choose
        self._last = (used(), clock())
        self.policy: Policy = os.SCHED_OTHER

    def follow(self) -> None:
        """Look again and again, in a thread of its own. Does nothing where an operator has chosen
        another policy than ``SCHED_OTHER`` for this process."""
        if policy_of_this_process() == os.SCHED_OTHER:
            threading.Thread(target=self._follow, name="scheduling", daemon=True).start()

    def look(self) -> None:
        """Choose the policy that fits what was used since the last look. Raises OSError."""
        (used, now), (used_before, before) = (self._used(), self._clock()), self._last
        self._last = (used, now)
        share = (used - used_before) / (now - before)
        limit = CALM if self.policy == os.SCHED_BATCH else BUSY
        policy = os.SCHED_BATCH if share > limit else os.SCHED_OTHER
        if policy != self.policy:
            self._choose(policy)
            self.policy = policy

    def _follow(self) -> None:
        try:
            while True:
                time.sleep(PERIOD_SECONDS)
                self.look()
        except OSError as error:
            logger.warning(
                "the scheduling policy of this worker's threads cannot be changed: %s; under load "
                "it answers fewer requests than it could",
                error.strerror,
            )
