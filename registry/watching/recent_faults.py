"""Which callers had a fault within this second, so that each counts once for guards.

One client whose requests all fail, and whose key always belongs to the same version, would
otherwise make that version look as bad as if all of its callers failed.

The workers of a server share a file of places, of which each has the second and half of a hash of
the last caller that fell into it. The hash is keyed with random bytes, which end with the file, so
no key can be found out. Two workers that count faults of a caller within microseconds may both
count one, and so do callers who share a place.
"""

import fcntl
import hashlib
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from registry.storage.mapped_files import open_with_room
from registry.watching.named_rows import Row

_KEY_BYTES = 16
_PLACES = 8_192
_SIZE = _KEY_BYTES + _PLACES * 8
_FILE = f"faults-{_PLACES}"


class RecentFaults:
    """The file in ``folder``. ``clock`` returns seconds since 1970. Raises OSError, StorageFull."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._descriptor = open_with_room(folder / _FILE, _SIZE)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        self._key = os.pread(self._descriptor, _KEY_BYTES, 0)
        if not any(self._key):
            self._key = os.urandom(_KEY_BYTES)
            os.pwrite(self._descriptor, self._key, 0)
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._map = mmap.mmap(self._descriptor, _SIZE)
        self._places = np.frombuffer(self._map, np.uint64, offset=_KEY_BYTES)

    def is_first(self, row: Row, caller: str) -> bool:
        """Whether ``caller`` has had no other fault of ``row`` within this second; notes it."""
        known = f"{row} {caller}".encode("utf-8", "surrogateescape")
        digest = hashlib.blake2b(known, key=self._key, digest_size=8).digest()
        place = int.from_bytes(digest[:4]) % _PLACES
        noted = (int(self._clock()) % 2**32) << 32 | int.from_bytes(digest[4:])
        if int(self._places[place]) == noted:
            return False
        self._places[place] = noted
        return True

    def close(self) -> None:
        """Close the file."""
        del self._places  # it exports the map's memory
        self._map.close()
        os.close(self._descriptor)


def counting_began(folder: Path) -> str:
    """Names the time since which the files in ``folder`` have been counting; another one after they
    were removed. Empty before they are created.

    Raises OSError.
    """
    try:
        with (folder / _FILE).open("rb") as file:
            key = file.read(_KEY_BYTES)
    except FileNotFoundError:
        return ""
    return hashlib.blake2b(key, digest_size=8).hexdigest()
