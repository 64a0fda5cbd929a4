"""A blob store in a directory of the local disk.

    <root>/ab/abcd…        the bytes whose SHA-256 is abcd…
    <root>/incoming/…      being received; locked while somebody writes
    <root>/damaged/…       content that no longer has its digest; kept for an investigation
    <root>/uploads/…       files that are not models yet: ``registry.blobs.uploads``

Bytes become durable in this order: fsync of the file, rename, fsync of the folder. Only then may a
row point at them.

From before its rename until its row is written, an upload holds a shared lock on the folder ``ab``.
A removal of unused blobs locks that folder exclusively and then queries the rows. So it sees the
row, or the upload has not renamed its file yet, even if an earlier upload had stored the same
bytes. The lock on ``root`` excludes removals while a backup copies the blobs.
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from registry.blobs import locks
from registry.blobs.disk_errors import storage_errors
from registry.blobs.store import Leftovers, Removed, StoredPart
from registry.errors import (
    BlobDamaged,
    BlobMissing,
    BlobsBusy,
    StorageFull,
    StorageUnavailable,
    TooLarge,
)
from registry.storage.durable import (
    fsync_directory,
    fsync_file,
    make_directory,
    rename_durably,
)

_REPAIR_SECONDS = 1.0
"""How long a reader that found damage waits for uploads that might be repairing it."""


class LocalBlobStore:
    """Blobs below ``root``, which is created at the first write.

    A removal waits ``patience`` seconds for the uploads that have locked a folder, and then skips
    that folder; a removal and a copy wait ``turn`` seconds for each other.
    """

    def __init__(self, root: Path, *, patience: float = 5.0, turn: float = 60.0) -> None:
        self.root = root
        self._patience = patience
        self._turn = turn

    def stage(self, limit: int) -> "LocalStagedBlob":
        with storage_errors():
            incoming = make_directory(self.root / "incoming")
            while True:
                blob = LocalStagedBlob(self, incoming / secrets.token_hex(16), limit)
                if not blob.was_swept:
                    return blob
                blob.close()

    def open(self, digest: str) -> BinaryIO:
        path = self.path_of(digest)
        try:
            with storage_errors():
                file = path.open("rb")
        except FileNotFoundError as error:
            raise BlobMissing(digest) from error
        try:
            with storage_errors():
                intact = hashlib.file_digest(file, "sha256").hexdigest() == digest
                file.seek(0)
            if not intact:
                # Even if the disk is read-only, damaged bytes are never returned.
                with suppress(StorageFull, StorageUnavailable):
                    self._move_aside(path, file.fileno())
                raise BlobDamaged(digest)
        except BaseException:
            file.close()
            raise
        return file

    def holds(self, digest: str) -> bool:
        return self.path_of(digest).is_file()

    def sweep(self, *, dry_run: bool = False) -> Leftovers:
        count = size = 0
        for path in (self.root / "incoming").glob("*"):
            with suppress(FileNotFoundError), storage_errors(), path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue  # an upload is still writing it
                size += os.fstat(file.fileno()).st_size
                count += 1
                if not dry_run:
                    path.unlink()
        return Leftovers(count, size)

    def digests(self) -> Iterator[str]:
        for shard in self._shards():
            yield from (path.name for path in _blobs_of(shard))

    def parts(self) -> Iterator[StoredPart]:
        for shard in self._shards():
            yield StoredPart("blobs", _sizes(shard))
        yield StoredPart("incoming", _sizes(self.root / "incoming"))
        for folder, _, _ in os.walk(self.uploads):
            yield StoredPart("incoming", _sizes(Path(folder)))
        yield StoredPart("damaged", _sizes(self.root / "damaged"))

    def remove_unused(
        self, used: Callable[[str], Collection[str]], kept_before: float, *, dry_run: bool = False
    ) -> Removed:
        removed = Removed()
        if not self.root.exists():
            return removed
        with storage_errors(), locks.tried(self.root, fcntl.LOCK_EX, self._turn) as alone:
            if not alone:
                raise BlobsBusy
            before = used("")
            for shard in self._shards():
                # Most folders have nothing to remove and are skipped without locking them.
                suspects = [path for path in _blobs_of(shard) if path.name not in before]
                if suspects:
                    removed += self._remove_from(
                        shard, suspects, used, kept_before, dry_run=dry_run
                    )
        return removed

    @contextmanager
    def nothing_removed(self) -> Iterator[None]:
        with storage_errors():
            make_directory(self.root)
        with locks.tried(self.root, fcntl.LOCK_SH, self._turn) as shared:
            if not shared:
                raise BlobsBusy
            yield

    def path_of(self, digest: str) -> Path:
        """The path of the bytes with this digest, whether they exist or not."""
        return self.root / digest[:2] / digest

    @property
    def uploads(self) -> Path:
        """The folder of files that are not models yet, in the file system of the blobs."""
        return self.root / "uploads"

    def _shards(self) -> list[Path]:
        return sorted(self.root.glob("[0-9a-f][0-9a-f]"))

    def _remove_from(
        self,
        shard: Path,
        suspects: list[Path],
        used: Callable[[str], Collection[str]],
        kept_before: float,
        *,
        dry_run: bool,
    ) -> Removed:
        count = size = young = 0
        with locks.tried(shard, fcntl.LOCK_EX, self._patience) as alone:
            if not alone:
                return Removed(passed_over=len(suspects))
            # Queried under the exclusive lock: uploads to this folder have written their rows.
            now = used(shard.name)
            for path in suspects:
                if path.name in now:
                    continue
                with suppress(FileNotFoundError):  # moved aside as damaged meanwhile
                    status = path.stat()
                    if status.st_mtime >= kept_before:
                        young += 1
                        continue
                    if not dry_run:
                        path.unlink()
                    count += 1
                    size += status.st_size
        return Removed(count, size, young)

    def _move_aside(self, path: Path, damaged: int) -> None:
        """Move ``path`` to ``damaged/`` if it still is the file that ``damaged`` has open.

        Another process that found the damage may have been faster, and an upload of the same bytes
        may just have repaired it: so uploads that have locked this folder go first, and the next
        reader moves aside what they do not repair.
        """
        with (
            storage_errors(),
            suppress(FileNotFoundError),
            locks.tried(path.parent, fcntl.LOCK_EX, _REPAIR_SECONDS) as alone,
        ):
            if not alone or not os.path.samestat(path.stat(), os.fstat(damaged)):
                return
            aside = make_directory(self.root / "damaged")
            rename_durably(path, aside / f"{path.name}.{secrets.token_hex(4)}")
            fsync_directory(path.parent)


class LocalStagedBlob:
    """One file below ``incoming``, hashed while it is written."""

    def __init__(self, store: LocalBlobStore, path: Path, limit: int) -> None:
        self._store = store
        self._path = path
        self._limit = limit
        self._hash = hashlib.sha256()
        self._size = 0
        self._held = ExitStack()
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

    def keep(self) -> str:
        final = self._store.path_of(self.digest)
        with storage_errors():
            fsync_file(self._file)
            shard = make_directory(final.parent)
            self._held.enter_context(locks.shared(shard))
            # Replaces an existing file: the same bytes, or damaged ones, which this repairs. The
            # modification time is that of this upload.
            rename_durably(self._path, final)
        self._file.close()
        return self.digest

    def keep_as(self, path: Path) -> None:
        """Make the bytes durable as the file ``path`` instead, replacing one that is there.

        Its folder exists, in the same file system. Raises StorageFull or StorageUnavailable.
        """
        with storage_errors():
            fsync_file(self._file)
            rename_durably(self._path, path)
        self._file.close()

    def keep_beside(self, content: bytes | memoryview) -> str:
        with self._store.stage(len(content)) as blob:
            blob.write(content)
            digest = blob.keep()
            self._held.enter_context(blob._held.pop_all())
        return digest

    def close(self) -> None:
        self._held.close()
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


def _blobs_of(shard: Path) -> list[Path]:
    return sorted(shard.glob("[0-9a-f]" * 64))


def _sizes(folder: Path) -> dict[str, int]:
    """The size of each file in ``folder``, which need not exist."""
    sizes = {}
    with storage_errors(), suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # removed meanwhile
                if entry.is_file():
                    sizes[entry.name] = entry.stat().st_size
    return sizes
