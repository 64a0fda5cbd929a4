"""Recognizes a repeated request that has no Idempotency-Key, if the first one was not answered.

Some clients repeat a request when a connection breaks, and send nothing that distinguishes this
from the same request meant once more. The service knows which requests it has not answered: each
has a file, named by what was requested, that is locked while its process is at work and removed
once its response was sent. A file that is not locked belongs to a process that has ended, or could
not say whether its work took effect; the next equal request continues under its key.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from registry.storage.durable import fsync_directory, make_directory

REPEATED_SECONDS = 900.0
"""How long after a request began an equal one repeats it. MLflow's clients do for four minutes."""


class Attempt:
    """A request that is being answered; ``key`` is its Idempotency-Key."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.key = path.name
        self._path = path
        self._file = file

    def finish(self) -> None:
        """It was answered: an equal request is another one."""
        with suppress(OSError):  # then an equal request is taken for a repetition for a while
            self._path.unlink(missing_ok=True)
        self._file.close()

    def leave(self) -> None:
        """It may have taken effect: the next equal request repeats it."""
        self._file.close()


class Attempts:
    """Files in ``folder``, which is created at the first request; ``clock`` is the time of day."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock

    def begin(self, fingerprint: str) -> Attempt:
        """Begin a request, or continue an equal one that was not answered. Raises OSError."""
        make_directory(self._folder)
        for path in sorted(self._folder.iterdir()):
            if self._is_old(path):
                path.unlink(missing_ok=True)
            elif path.name.startswith(f"{fingerprint}."):
                with suppress(FileNotFoundError):
                    if (found := _locked(path, os.O_RDWR)) is not None:
                        return found
        while True:
            path = self._folder / f"{fingerprint}.{secrets.token_hex(8)}"
            if (made := _locked(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)) is not None:
                fsync_directory(self._folder)
                return made

    def _is_old(self, path: Path) -> bool:
        with suppress(FileNotFoundError):
            return path.stat().st_mtime < self._clock() - REPEATED_SECONDS
        return False


def _locked(path: Path, flags: int) -> Attempt | None:
    """The attempt of the file, or None where another request has it. Raises OSError."""
    file = os.fdopen(os.open(path, flags | os.O_CLOEXEC, 0o600), "rb+", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(path.stat(), os.fstat(file.fileno())):
            return Attempt(path, file)
    except (BlockingIOError, FileNotFoundError):
        pass
    file.close()
    return None
