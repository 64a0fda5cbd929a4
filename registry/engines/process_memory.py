"""How much memory the processes that answer for versions may hold in one worker."""

import threading
from typing import Protocol
from weakref import WeakKeyDictionary

from registry.confinement.limits import MEGABYTE


class Restartable(Protocol):
    """Has a process that it can start again when it needs one."""

    def end_if_idle(self) -> bool:
        """End the process unless it is answering; whether that was done."""


class ProcessMemory:
    """At most ``each`` bytes for a process, and ``together`` for all; safe for several threads.

    Where they hold more together, those that are idle end, the least lately used first. Processes
    that are answering may hold more for that time.
    """

    def __init__(self, each: int = 1024 * MEGABYTE, together: int = 2048 * MEGABYTE) -> None:
        self.each = each
        self._together = together
        self._lock = threading.Lock()
        self._held: WeakKeyDictionary[Restartable, int] = WeakKeyDictionary()

    def count(self, process: Restartable, held: int) -> None:
        """Note that the process was used just now and holds so many bytes; make room for it."""
        with self._lock:
            self._held.pop(process, None)
            self._held[process] = held  # behind the others
            excess = sum(self._held.values()) - self._together
            others = [] if excess <= 0 else [*self._held.items()][:-1]
        for other, its in others:
            if excess <= 0:
                return
            if other.end_if_idle():
                excess -= its

    def forget(self, process: Restartable) -> None:
        """Note that it has ended."""
        with self._lock:
            self._held.pop(process, None)
