"""The heartbeat of the keeper: when it last completed a round, in shared memory.

Every process of the host can read it, and the keeper writes it without a system call. The time is
that of CLOCK_MONOTONIC, which all processes of a host share and nobody sets.
"""

import mmap
import os
import struct
import time
from pathlib import Path
from typing import NamedTuple

from registry.live.serving_time import serving_seconds
from registry.storage.mapped_files import open_with_room

DEAD_SECONDS = 60.0
"""After this long without a beat, the keeper counts as dead."""
_LAYOUT = struct.Struct("=qq")
_SIZE = mmap.PAGESIZE
_NAME = "keeper"


class Heartbeat:
    """Written by the keeper of the data directory whose folder for running processes is ``run``.

    Raises StorageFull, OSError.
    """

    def __init__(self, run: Path) -> None:
        self._descriptor = open_with_room(run / _NAME, _SIZE)
        self._map = mmap.mmap(self._descriptor, _SIZE)
        # An aligned store of eight bytes is one instruction: no reader sees half a write.
        self._view = memoryview(self._map).cast("q")
        self._view[1] = os.getpid()

    def beat(self) -> None:
        """Note that a round was completed now."""
        self._view[0] = time.monotonic_ns()

    def close(self) -> None:
        """Close the file. The last beat stays."""
        self._view.release()
        self._map.close()
        os.close(self._descriptor)


class Beat(NamedTuple):
    """The last beat: ``age`` in seconds, and the process id of the keeper."""

    age: float
    pid: int


def last_beat(run: Path) -> Beat | None:
    """The last beat of the keeper; None where there was none since the host started."""
    try:
        content = (run / _NAME).read_bytes()
    except FileNotFoundError:
        return None
    if len(content) < _LAYOUT.size:  # it is being created
        return None
    at, pid = _LAYOUT.unpack_from(content)
    # A later time than now is one of before the host was started again.
    age = (time.monotonic_ns() - at) / 1e9
    return Beat(age, pid) if at and age >= 0 else None


def age(run: Path) -> float | None:
    """Seconds since the last beat of the keeper; None where there was none since the host
    started."""
    beat = last_beat(run)
    return None if beat is None else beat.age


def unwatched_seconds(run: Path) -> float | None:
    """Seconds for which nobody has watched what the workers of this host serve.

    Counts from the last beat of the keeper, or from when the workers began to serve if that was
    later. None where no worker runs.
    """
    served = serving_seconds(run / "workers")
    beat = last_beat(run)
    return served if served is None or beat is None else min(beat.age, served)


def is_watched(run: Path) -> bool:
    """Whether a keeper watches what is live, or has had no time to start yet."""
    return (unwatched_seconds(run) or 0.0) <= DEAD_SECONDS
