"""The memory that a worker may use for decoding bodies, and the priority of small requests."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from registry.engines.allocator import release_free_memory
from registry.errors import WorkerFull

_LARGE = 8 * 2**20
"""Bytes of memory from which a body counts as large: decoding it takes several milliseconds."""
_SWITCH_SECONDS = 0.0001
"""The interpreter's switch interval while a large body is decoded. A prediction of one row acquires
the interpreter's lock several times, and waits up to this long each time."""


class DecodingBudget:
    """``limit`` bytes of memory for the bodies that are being decoded and answered.

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
        """Reserve ``cost`` bytes of memory for the body that this block decodes and answers.

        A single body may exceed the limit. Raises WorkerFull.
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
        release_free_memory()
