"""How long to wait before another try of what failed: a process, or the loading of a version."""

import time
from collections.abc import Callable

FREE_FAILURES = 2
"""Failures without a wait: a process can be killed through no fault of its own."""
FIRST_SECONDS = 1.0
LONGEST_SECONDS = 60.0
QUIET_SECONDS = 300.0
"""Earlier failures no longer count after this long without one."""


class Backoff:
    """Exponential backoff: the wait doubles with each failure, up to ``LONGEST_SECONDS``."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._last = -QUIET_SECONDS

    def record_failure(self) -> None:
        """Count a failure at this moment."""
        now = self._clock()
        self._failures = 1 if now - self._last >= QUIET_SECONDS else self._failures + 1
        self._last = now

    def remaining_seconds(self) -> float:
        """Seconds until the next try; 0 if it may be now."""
        if self._failures <= FREE_FAILURES:
            return 0.0
        doublings = min(self._failures - FREE_FAILURES - 1, 10)
        pause = min(FIRST_SECONDS * 2.0**doublings, LONGEST_SECONDS)
        return max(0.0, self._last + pause - self._clock())
