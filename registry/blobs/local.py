"""A blob store in a directory of the local disk.

    <root>/ab/abcd…        the bytes whose SHA-256 is abcd…
    <root>/incoming/…      being received; locked while somebody writes
    <root>/damaged/…       no longer what their name says; kept for whoever looks into it

Bytes become durable in this order: fsync of the file, rename, fsync of the folder. Only then may a
row point at them.
"""

import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from registry.errors import (
    BlobDamaged,
    BlobMissing,
    RegistryError,
    StorageFull,
    StorageUnavailable,
    TooLarge,
)

_CHUNK = 2**20


class LocalBlobStore:
    """Blobs below ``root``, which is made when it is first written to."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def stage(self, limit: int) -> "LocalStagedBlob":
        with _storage_errors():
            incoming = _directory(self.root / "incoming")
            while True:
                blob = LocalStagedBlob(self, incoming / secrets.token_hex(16), limit)
                if not blob.was_swept:
                    return blob
                blob.close()

    def open(self, digest: str) -> BinaryIO:
        path = self.path_of(digest)
        try:
            with _storage_errors():
                file = path.open("rb")
        except FileNotFoundError as error:
            raise BlobMissing(digest) from error
        try:
            with _storage_errors():
                intact = hashlib.file_digest(file, "sha256").hexdigest() == digest
                file.seek(0)
            if not intact:
                self._put_aside(path)
                raise BlobDamaged(digest)
        except BaseException:
            file.close()
            raise
        return file

    def holds(self, digest: str) -> bool:
        return self.path_of(digest).is_file()

    def sweep(self) -> int:
        swept = 0
        for path in (self.root / "incoming").glob("*"):
            with suppress(FileNotFoundError), path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue  # somebody is still writing it
                path.unlink()
                swept += 1
        return swept

    def path_of(self, digest: str) -> Path:
        """Where the bytes with this digest stand, or would stand."""
        return self.root / digest[:2] / digest

    def _put_aside(self, path: Path) -> None:
        # Another process that found the damage may have been faster.
        with _storage_errors(), suppress(FileNotFoundError):
            damaged = _directory(self.root / "damaged")
            path.replace(damaged / f"{path.name}.{secrets.token_hex(4)}")
            _fsync_directory(damaged)
            _fsync_directory(path.parent)


class LocalStagedBlob:
    """One file below ``incoming``, hashed while it is written."""

    def __init__(self, store: LocalBlobStore, path: Path, limit: int) -> None:
        self._store = store
        self._path = path
        self._limit = limit
        self._hash = hashlib.sha256()
        self._size = 0
        self._file = path.open("xb+")
        # Held until the file is closed: it tells the sweep that this upload is alive.
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def write(self, chunk: bytes, /) -> int:
        if self._size + len(chunk) > self._limit:
            raise TooLarge("The artifact", f"{self._limit} bytes", "HOTSWAP_MAX_UPLOAD_MB")
        with _storage_errors():
            self._file.write(chunk)
        self._hash.update(chunk)
        self._size += len(chunk)
        return len(chunk)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        with _storage_errors():  # what was written may still have to go to the disk
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(size)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    @property
    def size(self) -> int:
        return self._size

    @property
    def path(self) -> Path:
        with _storage_errors():
            self._file.flush()
        return self._path

    @property
    def was_swept(self) -> bool:
        """Whether a sweep came between the file's making and its lock."""
        return os.fstat(self._file.fileno()).st_nlink == 0

    def keep(self) -> str:
        final = self._store.path_of(self.digest)
        with _storage_errors():
            self._file.flush()
            os.fsync(self._file.fileno())
            shard = _directory(final.parent)
            # Replaces what may stand there already: the same bytes, or damaged ones, which this
            # mends.
            self._path.replace(final)
            _fsync_directory(shard)
        self._file.close()
        return self.digest

    def keep_beside(self, content: bytes) -> str:
        with self._store.stage(len(content)) as blob:
            blob.write(content)
            return blob.keep()

    def close(self) -> None:
        if not self._file.closed:
            with suppress(OSError):
                self._file.close()  # what could not be flushed to a full disk is thrown away here
            self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _translated(error) from error


def _translated(error: OSError) -> RegistryError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return StorageFull()
    return StorageUnavailable(error.strerror or type(error).__name__)


def _directory(path: Path) -> Path:
    """Make ``path`` if it is not there, each new folder durable in the one above it."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        _fsync_directory(folder.parent)
    return path


def _fsync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
