"""Warnings that thousands of requests a second may cause, in few lines of the log."""

import logging
import threading
import time
from collections.abc import Callable

SECONDS = 10.0
"""Between two lines, at least."""


class RepeatedWarning:
    """Logs a warning to ``logger`` at once, and repetitions of it as one line in ``SECONDS`` with
    their number. Thread-safe."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0
        self._silent_until = float("-inf")

    def log(self, message: str) -> None:
        """Log the message, or count it."""
        now = self._clock()
        with self._lock:
            self._count += 1
            if now < self._silent_until:
                return
            count, self._count = self._count, 0
            self._silent_until = now + SECONDS
        if count == 1:
            self._logger.warning("%s", message)
        else:
            self._logger.warning("%s (%d requests since the last such line)", message, count)
