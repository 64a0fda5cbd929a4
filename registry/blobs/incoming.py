"""Files that are being received, in a folder of their own until they are complete.

A file is locked as long as its upload lasts, so that a sweep removes only what interrupted uploads
left.
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from registry.blobs.disk_errors import storage_errors
from registry.blobs.store import Leftovers, StoredPart
from registry.errors import TooLarge
from registry.storage.durable import fsync_file, make_directory, rename_durably


class IncomingFile:
    """The new file ``path`` of at most ``limit`` bytes, hashed while it is written."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._hash = hashlib.sha256()
        self._size = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.fdopen(os.open(path, flags, 0o600), "wb+")
        # Held until the file is closed: it shows the sweep that this upload is in progress.
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def write(self, chunk: bytes | memoryview, /) -> int:
        if self._size + len(chunk) > self._limit:
            raise TooLarge("The artifact", f"{self._limit} bytes", "HOTSWAP_MAX_UPLOAD_MB")
        with storage_errors():
            self._file.write(chunk)
        self._hash.update(chunk)
        self._size += len(chunk)
        return len(chunk)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        with storage_errors():  # seeking flushes what was written
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
        with storage_errors():
            self._file.flush()
        return self._path

    @property
    def was_swept(self) -> bool:
        """Whether a sweep removed the file between its creation and its lock."""
        return os.fstat(self._file.fileno()).st_nlink == 0

    def keep_as(self, path: Path) -> None:
        """Make the bytes durable as the file ``path``, replacing one that is there.

        Its folder exists, in the same file system. Raises StorageFull or StorageUnavailable.
        """
        with storage_errors():
            fsync_file(self._file)
            rename_durably(self._path, path)
        self._file.close()

    def close(self) -> None:
        """Discard the bytes, unless they were kept."""
        if not self._file.closed:
            with suppress(OSError):
                self._file.close()  # discards what could not be flushed to a full disk
            # If the disk refuses even this, the first error is still the one reported; the sweep
            # removes the file later.
            with suppress(OSError):
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


F = TypeVar("F", bound=IncomingFile)


def begin(folder: Path, make: Callable[[Path], F]) -> F:
    """A new file of ``folder``, which is created if necessary; ``make`` opens its path.

    Raises StorageFull or StorageUnavailable.
    """
    with storage_errors():
        make_directory(folder)
        while True:
            file = make(folder / secrets.token_hex(16))
            if not file.was_swept:
                return file
            file.close()


def sweep(folder: Path, *, dry_run: bool = False) -> Leftovers:
    """Remove, or only count, the files in ``folder`` that nobody is writing any more.

    Raises StorageUnavailable.
    """
    count = size = 0
    for path in folder.glob("*"):
        # Not only for reading: NFS gives an exclusive lock on files that are open for writing.
        with suppress(FileNotFoundError), storage_errors(), path.open("r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # an upload is still writing it
            size += os.fstat(file.fileno()).st_size
            count += 1
            if not dry_run:
                path.unlink()
    return Leftovers(count, size)


def incoming_parts(incoming: Path, uploads: Path) -> Iterator[StoredPart]:
    """The files in ``incoming``, and those below ``uploads``, some at a time."""
    yield StoredPart("incoming", sizes(incoming))
    for folder, _, _ in os.walk(uploads):
        yield StoredPart("incoming", sizes(Path(folder)))


def sizes(folder: Path) -> dict[str, int]:
    """The size of each file in ``folder``, which need not exist. Raises StorageUnavailable."""
    found = {}
    with storage_errors(), suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # removed meanwhile
                if entry.is_file():
                    found[entry.name] = entry.stat().st_size
    return found
