"""Locks on folders, which end with the process that holds them.

flock(2) on the folder's own descriptor: nothing is written, and a crash leaves nothing behind.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_SECONDS = 0.005


@contextmanager
def shared(folder: Path) -> Iterator[None]:
    """Hold a shared lock on ``folder``."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def tried(folder: Path, how: int, patience: float) -> Iterator[bool]:
    """Lock ``folder`` as ``how`` says (LOCK_SH or LOCK_EX) within ``patience`` seconds; yields
    whether that succeeded."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield _obtained(descriptor, how, patience)
    finally:
        os.close(descriptor)


def _obtained(descriptor: int, how: int, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        else:
            return True
