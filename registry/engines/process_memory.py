"""The limits of the memory of one worker's model processes."""

import threading
from typing import Protocol
from weakref import WeakKeyDictionary

from registry.confinement.limits import MEGABYTE


class Restartable(Protocol):
    """Owns a process, which it can end and start again."""

    def end_if_idle(self) -> bool:
        """End the process unless it is busy. Returns whether it was ended."""


class ProcessMemory:
    """At most ``each`` bytes for a process, and ``together`` for all. Safe for several threads.

    Above ``together``, idle processes are ended, the least recently used first. Busy processes may
    hold more until they have replied.
    """

    def __init__(self, each: int = 1024 * MEGABYTE, together: int = 2048 * MEGABYTE) -> None:
        self.each = each
        self._together = together
        self._lock = threading.Lock()
        self._held: WeakKeyDictionary[Restartable, int] = WeakKeyDictionary()

    def count(self, process: Restartable, held: int) -> None:
        """Record that ``process`` was just used and holds ``held`` bytes; end others if needed."""
        with self._lock:
            self._held.pop(process, None)
            self._held[process] = held  # last: the most recently used
            excess = sum(self._held.values()) - self._together
            others = [] if excess <= 0 else [*self._held.items()][:-1]
        for other, its in others:
            if excess <= 0:
                return
            if other.end_if_idle():
                excess -= its

    def forget(self, process: Restartable) -> None:
        """Record that ``process`` has ended."""
        with self._lock:
            self._held.pop(process, None)
