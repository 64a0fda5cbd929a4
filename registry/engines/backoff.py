"""How soon what failed may be tried again: a process that died, a version that did not load."""

import time
from collections.abc import Callable

FREE = 2
"""Deaths that cost no waiting: what kills a process need not be its own doing."""
FIRST_SECONDS = 1.0
LONGEST_SECONDS = 60.0
QUIET_SECONDS = 300.0
"""After so long without a death, those before are forgotten."""


class Backoff:
    """Makes a process that dies again and again wait, each time twice as long."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._deaths = 0
        self._last = -QUIET_SECONDS

    def died(self) -> None:
        """Count a death, just now."""
        now = self._clock()
        self._deaths = 1 if now - self._last >= QUIET_SECONDS else self._deaths + 1
        self._last = now

    def wait(self) -> float:
        """Seconds until it may be started again; 0: now."""
        if self._deaths <= FREE:
            return 0.0
        pause = min(FIRST_SECONDS * 2.0 ** min(self._deaths - FREE - 1, 10), LONGEST_SECONDS)
        return max(0.0, self._last + pause - self._clock())
