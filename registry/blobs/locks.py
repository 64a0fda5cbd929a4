"""Locks on folders, which end with the process that holds them.

flock(2) on a folder's own descriptor: nothing is written, and nothing is left behind by a crash.
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
    """Hold ``folder`` together with others who share it, and against who wants it alone."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def tried(folder: Path, how: int, patience: float) -> Iterator[bool]:
    """Hold ``folder`` as ``how`` says (LOCK_SH or LOCK_EX) if ``patience`` seconds are enough for
    it, and give whether they were."""
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
