"""Chooses one of several processes on this machine for a task."""

import fcntl
import os
from pathlib import Path


class Election:
    """Won by the process that holds a lock on the file ``path`` (flock(2)), until it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: int | None = None

    def is_won(self) -> bool:
        """Whether the task is this process's. Raises OSError."""
        if self._lock is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def is_void(self) -> bool:
        """Whether another file than the locked one is at the path, so that others may win too."""
        if self._lock is None:
            return False
        try:
            return not os.path.samestat(os.fstat(self._lock), self._path.stat())
        except FileNotFoundError:
            return True

    def leave(self) -> None:
        """Leave the task to another process."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
