"""Small files that all workers of a host map into their memory."""

import errno
import os
from pathlib import Path

from registry.errors import StorageFull
from registry.storage.durable import make_directory

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def open_with_room(path: Path, size: int) -> int:
    """A descriptor of the file ``path``, created if it does not exist, with ``size`` bytes on disk.

    If its blocks were not allocated, the first write to the mapping of a file on a full disk would
    raise SIGBUS. The contents of the file are kept, so several workers may call this at once.

    Raises StorageFull.
    """
    try:
        make_directory(path.parent)  # the first that is created in a new data directory
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
