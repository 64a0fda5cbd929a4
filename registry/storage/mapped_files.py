"""Small files that all workers of a host map into their memory."""

import errno
import os
from pathlib import Path

from registry.errors import StorageFull
from registry.storage.durable import make_directory

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def open_with_room(path: Path, size: int) -> int:
    """A descriptor of the file ``path``, made if it is not there, with ``size`` bytes on the disk.

    Without blocks of its own, the first write to the mapping of a file on a full disk would be a
    SIGBUS. What is in the file stays, so that several workers may do this at once.

    Raises StorageFull.
    """
    try:
        make_directory(path.parent)  # the first thing that is made in a new data directory
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError:
            os.close(descriptor)
            raise
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull from error
        raise
    return descriptor
