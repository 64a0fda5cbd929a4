"""Files in shared memory that one worker at a time writes and every process can read.

A worker holds a lock on its file (flock(2)) until it ends, however that happens. A new worker
continues the first file that no worker holds, so what a worker has counted that has ended stays in
the totals, and there are never more files than there were workers at the same time.
"""

import fcntl
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from registry.storage.mapped_files import open_with_room


def claim_file(folder: Path, name: str, size: int) -> int:
    """A descriptor of the first file ``name`` with a number that no other worker holds, locked.

    Raises OSError, StorageFull.
    """
    for number in itertools.count():
        descriptor = open_with_room(folder / f"{name}{number}", size)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return descriptor
    raise AssertionError("unreachable: the numbers do not end")


def read_files(folder: Path, name: str, size: int) -> Iterator[bytes]:
    """The contents of all files ``name`` with a number.

    Raises OSError.
    """
    for path in folder.glob(f"{name}*"):
        content = path.read_bytes()
        if len(content) == size:  # else its worker is about to allocate it
            yield content
