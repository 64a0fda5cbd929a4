"""Copies of blobs of a bucket, on the local disk.

    <root>/ab/abcd…      the bytes whose SHA-256 is abcd…
    <root>/filling/…     being fetched; locked while somebody writes

A copy gets its name when it is complete, and is hashed whenever it is opened: nothing here has to
be durable, and a damaged copy is fetched again.
"""

import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from registry.blobs.disk_errors import storage_errors
from registry.blobs.incoming import sizes
from registry.storage.durable import make_directory

_POLL_SECONDS = 0.02


class BlobCache:
    """At most ``limit`` bytes below ``root``: above it, the copies that were not used for the
    longest time go.

    Of several processes that miss the same blob one fetches it, and the others wait ``patience``
    seconds for it, and then fetch it themselves.
    """

    def __init__(self, root: Path, limit: int, *, patience: float = 10.0) -> None:
        self.root = root
        self._limit = limit
        self._patience = patience

    def path_of(self, digest: str) -> Path:
        """The path of the copy with this digest, whether it exists or not."""
        return self.root / digest[:2] / digest

    @property
    def filling(self) -> Path:
        """The folder of copies that are not complete."""
        return self.root / "filling"

    def open(self, digest: str) -> BinaryIO | None:
        """The copy, verified; None where there is none, or a damaged one, which is removed.

        Raises StorageUnavailable.
        """
        path = self.path_of(digest)
        with suppress(FileNotFoundError), storage_errors():
            file = path.open("rb")
            try:
                if hashlib.file_digest(file, "sha256").hexdigest() == digest:
                    file.seek(0)
                    with suppress(OSError):  # a disk that is read-only: it is not known to be used
                        os.utime(file.fileno())
                    return file
                path.unlink()
            except BaseException:
                file.close()
                raise
            file.close()
        return None

    def fill(self, digest: str, read: Callable[[], Iterator[bytes]]) -> BinaryIO | None:
        """Store what ``read`` yields and open it; None where it does not have this digest.

        Raises StorageFull, StorageUnavailable, and what ``read`` raises.
        """
        with storage_errors():
            make_directory(self.path_of(digest).parent)
            make_directory(self.filling)
        with self._turn(digest) as (path, file):
            if (found := self.open(digest)) is not None:
                path.unlink(missing_ok=True)
                return found
            received = hashlib.sha256()
            try:
                with storage_errors():
                    file.truncate(0)
                    for piece in read():
                        file.write(piece)
                        received.update(piece)
                    file.flush()
                    if received.hexdigest() != digest:
                        return None
                    filled = path.open("rb")  # now: another process may remove it again
                    path.replace(self.path_of(digest))
            finally:
                path.unlink(missing_ok=True)
        self.trim(digest)
        return filled

    def adopt(self, digest: str, path: Path) -> None:
        """Take the file ``path``, which has this digest, as the copy, unless it is on another
        disk."""
        with suppress(OSError):
            make_directory(self.path_of(digest).parent)
            path.replace(self.path_of(digest))
            self.trim(digest)

    def trim(self, kept: str) -> None:
        """Remove the copies that were not used for the longest time until the rest is within the
        limit; never ``kept``."""
        copies = []
        for folder in self._folders():
            with suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        status = entry.stat()
                        copies.append((status.st_mtime, status.st_size, entry.path, entry.name))
        excess = sum(size for _, size, _, _ in copies) - self._limit
        for _, size, path, name in sorted(copies):
            if excess <= 0:
                break
            if name != kept:
                Path(path).unlink(missing_ok=True)
                excess -= size

    def sizes(self) -> dict[str, int]:
        """The size of each copy, by its digest. Raises StorageUnavailable."""
        found: dict[str, int] = {}
        for folder in (*self._folders(), self.filling):
            found.update(sizes(folder))
        return found

    def _folders(self) -> list[Path]:
        return sorted(self.root.glob("[0-9a-f][0-9a-f]"))

    @contextmanager
    def _turn(self, digest: str) -> Iterator[tuple[Path, BinaryIO]]:
        """A file to fetch the blob into, which nobody else writes."""
        deadline = time.monotonic() + self._patience
        path = self.filling / digest
        while True:
            with storage_errors():
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                if _is_locked(file, path):
                    yield path, file
                    return
            if time.monotonic() > deadline:
                path = self.filling / f"{digest}.{secrets.token_hex(8)}"
            else:
                time.sleep(_POLL_SECONDS)


def _is_locked(file: BinaryIO, path: Path) -> bool:
    """Whether ``file`` could be locked, and still is the file ``path``."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except (BlockingIOError, FileNotFoundError):
        return False
