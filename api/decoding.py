"""How much memory a worker may spend on bodies at the same time, and who goes first meanwhile."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from registry.engines.allocator import give_back_memory
from registry.errors import WorkerFull

_LARGE = 8 * 2**20
"""Bytes of memory from which on a body is large: it takes more than some milliseconds."""
_SWITCH_SECONDS = 0.0001
"""How long a thread may keep others from the interpreter's lock while a large body is decoded. A
prediction of one row asks for it several times, and waits as long each time."""


class DecodingBudget:
    """``limit`` bytes for the bodies that are decoded and answered at the same time.

    Safe to use from several threads.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._held = 0
        self._large = 0
        self._usual_switch = 0.0

    @contextmanager
    def hold(self, cost: int) -> Iterator[None]:
        """Decode and answer a body in this block that needs ``cost`` bytes of memory.

        One body alone may need more than the limit. Raises WorkerFull.
        """
        self._enter(cost)
        try:
            yield
        finally:
            self._leave(cost)

    def _enter(self, cost: int) -> None:
        with self._lock:
            if self._held and self._held + cost > self._limit:
                raise WorkerFull
            self._held += cost
            if cost >= _LARGE:
                self._large += 1
                if self._large == 1:
                    self._usual_switch = sys.getswitchinterval()
                    sys.setswitchinterval(min(self._usual_switch, _SWITCH_SECONDS))

    def _leave(self, cost: int) -> None:
        with self._lock:
            self._held -= cost
            if cost < _LARGE:
                return
            self._large -= 1
            if self._large:
                return
            sys.setswitchinterval(self._usual_switch)
        give_back_memory()
