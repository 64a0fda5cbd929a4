"""Rate limits, counted over all workers of a host.

A leaky bucket for each slot of a small file that every worker maps, stored as one number: the time
at which the bucket will be empty (the generic cell rate algorithm, ITU-T I.371). It uses no locks:
if two workers count in the same bucket at the same microsecond, one of the two is lost, so a limit
can be exceeded by a few requests, never by many. The number of slots bounds the memory.
"""

import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

from registry.storage.mapped_files import open_with_room

SLOTS = 4096
_MOMENT = 8
_ROUNDING = 1e-3
"""Rounding error of a sum of times, in seconds."""


class Rates:
    """``per_second`` events in each slot in the long run, ``burst`` of them at once.

    Keeps its buckets in the file ``path``. ``clock`` returns the same time in every process of the
    host. Raises StorageFull.
    """

    def __init__(
        self,
        path: Path,
        per_second: float,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._every = 1 / per_second
        self._ahead = (burst - 1) * self._every
        self._clock = clock
        self._descriptor = open_with_room(path, SLOTS * _MOMENT)
        self._map = mmap.mmap(self._descriptor, SLOTS * _MOMENT)
        # Aligned loads and stores of eight bytes are atomic.
        self._empty_at = memoryview(self._map).cast("d")

    def take(self, slot: int) -> float:
        """Count one event in ``slot`` and return 0; above the limit, count nothing and return the
        seconds until one is allowed."""
        now = self._clock()
        slot %= SLOTS
        empty_at = self._empty_at[slot]
        wait = empty_at - now - self._ahead
        if empty_at < now or wait > self._every + _ROUNDING:
            # Empty, or written before the host restarted, or with other limits.
            empty_at = now
        elif wait > 0:
            return wait
        self._empty_at[slot] = empty_at + self._every
        return 0.0

    def close(self) -> None:
        """Close the file. ``take`` must not be called afterwards."""
        self._empty_at.release()
        self._map.close()
        os.close(self._descriptor)
