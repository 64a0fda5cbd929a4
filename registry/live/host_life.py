"""Which worker of a host is the first and which is the last: a lock that all of them share.

It is a lock on a file (flock(2)), which ends with the process, however that ends.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path


class HostLife:
    """The life of a host, from its first worker to its last, by the lock on the file ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def begin(self, first: Callable[[], None]) -> None:
        """Take part in it. Calls ``first`` if no other worker does, before another one can.

        Raises OSError.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _locked_alone(descriptor):
            first()
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        self._descriptor = descriptor

    def end(self, last: Callable[[], None]) -> None:
        """Take part in it no more. Calls ``last`` if no other worker does; one that begins
        meanwhile waits until it has returned."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            if _locked_alone(descriptor):
                last()
        finally:
            os.close(descriptor)


def _locked_alone(descriptor: int) -> bool:
    """Where others share the lock, it is lost."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
