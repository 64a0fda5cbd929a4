"""Finds the versions that answer the keys of a split's requests, and keeps the hashes of these.

The work is compiled (``key_kernel.c``), since each request of a split waits for it. Where the
project was installed without a C compiler, ``key_places`` has the same in Python.
"""

import struct
from collections import deque
from hashlib import blake2b
from typing import Protocol

try:
    from registry.splits import key_kernel
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True

LONGEST_KEY = 256
"""Bytes of an X-Request-Key, which are ASCII characters."""
MOST_HASHED = 65_536
"""Far more than are added between two reads; if nobody reads them, some are lost."""
_HASH_BYTES = 16
first_half = struct.Struct("<Q8x").unpack
"""Of a hash of 16 bytes, as a number; the second half is for drawing samples of requests."""


class KeyPlaces(Protocol):
    """Safe to use from several threads."""

    def place_of(self, key: str, /) -> int:
        """The place of the version that answers requests with ``key``, whose hash is kept; -1 where
        it is empty, too long or has characters outside ASCII."""

    def take(self) -> bytes:
        """The hashes of 16 bytes that were kept since the last call, one after the other."""


def key_places(salt: bytes, owners: bytes) -> KeyPlaces:
    """``salt``: 16 bytes; ``owners``: for each bucket, the place of the version that has it."""
    return key_kernel.KeyPlaces(salt, owners) if AVAILABLE else PythonKeyPlaces(salt, owners)


class PythonKeyPlaces:
    """`KeyPlaces`, not compiled."""

    __slots__ = ("_hash", "_hashed", "_owners")

    def __init__(self, salt: bytes, owners: bytes) -> None:
        self._hash = keyed_hash(salt)
        self._owners = owners
        self._hashed = deque[bytes](maxlen=MOST_HASHED)

    def place_of(self, key: str, /) -> int:
        """As in `KeyPlaces`."""
        if not 0 < len(key) <= LONGEST_KEY or not key.isascii():
            return -1
        hashed = self._hash.copy()
        hashed.update(key.encode())
        digest = hashed.digest()
        self._hashed.append(digest)
        half: int = first_half(digest)[0]
        return self._owners[half % len(self._owners)]

    def take(self) -> bytes:
        """As in `KeyPlaces`."""
        return b"".join([self._hashed.popleft() for _ in range(len(self._hashed))])


def keyed_hash(salt: bytes) -> blake2b:
    """A BLAKE2b hash of 16 bytes with ``salt`` as its key, to which nothing was added."""
    return blake2b(key=salt, digest_size=_HASH_BYTES)
