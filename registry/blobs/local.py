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
from typing import BinaryIO

from registry.blobs import locks
from registry.blobs.disk_errors import storage_errors
from registry.blobs.incoming import IncomingFile, begin, incoming_parts, sizes, sweep
from registry.blobs.store import Leftovers, Place, Removed, StoredPart
from registry.errors import (
    BlobDamaged,
    BlobMissing,
    BlobsBusy,
    StorageFull,
    StorageUnavailable,
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
        return begin(self.incoming, lambda path: LocalStagedBlob(self, path, limit))

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

    def check(self, digest: str) -> int:
        with self.open(digest) as file:
            return file.seek(0, os.SEEK_END)

    def holds(self, digest: str) -> bool:
        return self.path_of(digest).is_file()

    def holding(self) -> Callable[[str], bool]:
        return self.holds

    def sweep(self, *, dry_run: bool = False) -> Leftovers:
        return sweep(self.incoming, dry_run=dry_run)

    def digests(self) -> Iterator[str]:
        for shard in self._shards():
            yield from (path.name for path in _blobs_of(shard))

    def parts(self) -> Iterator[StoredPart]:
        for shard in self._shards():
            yield StoredPart("blobs", sizes(shard))
        yield from incoming_parts(self.incoming, self.uploads)
        yield StoredPart("damaged", sizes(self.root / "damaged"))

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
    def incoming(self) -> Path:
        """The folder of uploads in progress."""
        return self.root / "incoming"

    @property
    def uploads(self) -> Path:
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


class LocalStagedBlob(IncomingFile):
    """One file below ``incoming``, hashed while it is written."""

    def __init__(self, store: LocalBlobStore, path: Path, limit: int) -> None:
        super().__init__(path, limit)
        self._store = store
        self._held = ExitStack()

    @property
    def places(self) -> tuple[Place, ...]:
        return ()  # a blob's path follows from its digest

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

    def keep_beside(self, content: bytes | memoryview) -> str:
        with self._store.stage(len(content)) as blob:
            blob.write(content)
            digest = blob.keep()
            self._held.enter_context(blob._held.pop_all())
        return digest

    def close(self) -> None:
        """Discard the bytes unless they were kept, and end their protection from removal."""
        self._held.close()
        super().close()


def _blobs_of(shard: Path) -> list[Path]:
    return sorted(shard.glob("[0-9a-f]" * 64))
