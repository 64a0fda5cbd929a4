"""How often something may happen, counted over all workers of a host.

A leaky bucket for each slot of a small file that every worker maps, kept as one number: the moment
at which the bucket is empty again. Source: the generic cell rate algorithm (ITU-T I.371), which
needs no more than that. Nothing is locked: where two workers count in the same bucket at the same
microsecond, one of the two is not counted, so a limit can be passed by a few requests, never by
many. The memory is bounded, whoever sends what: there are as many buckets as slots.
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
"""Seconds by which a sum of moments may be off."""


class Rates:
    """``per_second`` things in each slot in the long run, ``burst`` of them at once.

    Keeps its buckets in the file ``path``. ``clock`` tells the same time to every process of the
    host. Raises StorageFull where the disk has no room for the file.
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
        # Aligned loads and stores of eight bytes: nobody ever sees half a moment.
        self._empty_at = memoryview(self._map).cast("d")

    def take(self, slot: int) -> float:
        """Take one out of the bucket of ``slot`` and return 0; where it has none, return the
        seconds until it has."""
        now = self._clock()
        slot %= SLOTS
        empty_at = self._empty_at[slot]
        wait = empty_at - now - self._ahead
        if empty_at < now or wait > self._every + _ROUNDING:
            # Empty, or what was written before the host began anew, or with other limits.
            empty_at = now
        elif wait > 0:
            return wait
        self._empty_at[slot] = empty_at + self._every
        return 0.0

    def close(self) -> None:
        """Let go of the file. Nothing can be taken afterwards."""
        self._empty_at.release()
        self._map.close()
        os.close(self._descriptor)
