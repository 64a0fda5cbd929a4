"""Directories that callers upload file by file, each file to any of the hosts that share a bucket.

Each file is an object of its own, under a key that is never used again, and a row names it. The
rows of a directory change one transaction after another: the row of its owner's token is locked
meanwhile. An object is removed after its row. Who reads a directory takes no lock, and reads the
rows again where an object is gone.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import BinaryIO, cast

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from registry.blobs.bucket import Bucket
from registry.blobs.disk_errors import storage_errors
from registry.blobs.places import UPLOAD_SECONDS, uptime
from registry.blobs.s3 import new_key
from registry.blobs.store import Leftovers, StagedBlob
from registry.blobs.uploads import (
    KEPT_SECONDS,
    MAX_DIRECTORIES,
    MAX_FILES,
    Entry,
    FilePath,
    Uploads,
    check_room,
    parse_path,
)
from registry.errors import (
    BlobDamaged,
    BlobMissing,
    BucketUnavailable,
    PathMalformed,
    TooLarge,
    UploadExpired,
    UploadsFull,
)
from registry.storage.database import Database
from registry.storage.durable import make_directory
from registry.storage.host_tables import UploadedFileRow
from registry.storage.tables import TokenRow

_READS = 5
"""How often the rows are read where another request removes what they name."""


_Files = Mapping[FilePath, UploadedFileRow]
"""The files of a directory, by their paths in it."""


class SharedUploads:
    """As ``Uploads``, in ``bucket`` and ``database``, which is a PostgreSQL server; ``folder`` is
    the local one, in which directories are assembled to be read."""

    def __init__(
        self,
        database: Database,
        bucket: Bucket,
        folder: Path,
        most_bytes: int,
        *,
        most_files: int = MAX_FILES,
        most_directories: int = MAX_DIRECTORIES,
    ) -> None:
        self._database = database
        self._bucket = bucket
        self._local = Uploads(folder, most_bytes)
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._most_directories = most_directories

    def add(self, owner: int, path: FilePath, blob: StagedBlob) -> None:
        """As ``Uploads.add``; raises UploadExpired, DatabaseBusy and DatabaseUnavailable too."""
        if len(path) < 2:
            raise PathMalformed.without_directory("/".join(path))
        began, key = uptime(), new_key(blob.digest)
        self._bucket.put(key, blob.path)
        try:
            with self._database.write(announce=False) as session:
                replaced = self._insert(session, owner, path, blob, key)
                if uptime() - began > UPLOAD_SECONDS:
                    raise UploadExpired(UPLOAD_SECONDS)
        except (PathMalformed, TooLarge, UploadsFull):
            self._discard([key])
            raise
        self._discard(replaced)

    def entries(self, owner: int, path: FilePath) -> list[Entry]:
        """As ``Uploads.entries``."""
        with self._database.read() as session:
            if not path:
                return [Entry(name, None) for name in sorted(_directories(session, owner))]
            files = _files(session, owner, path[0])
        folder, depth = path[1:], len(path) - 1
        found = {
            each[depth]: Entry(each[depth], file.size if len(each) == depth + 1 else None)
            for each, file in files.items()
            if each[:depth] == folder and len(each) > depth
        }
        return [found[name] for name in sorted(found)]

    def open(self, owner: int, path: FilePath) -> BinaryIO | None:
        """As ``Uploads.open``; raises BlobMissing and BlobDamaged too."""
        missing = ""
        for _ in range(_READS):
            file = self._read(owner, path).get(path[1:])
            if file is None:
                return None
            missing = file.sha256
            with ExitStack() as opened:
                with storage_errors():
                    made = TemporaryFile(dir=make_directory(self._local.root))  # noqa: SIM115 - see pop_all
                target = cast("BinaryIO", opened.enter_context(made))
                with suppress(FileNotFoundError):
                    self._fetch(file, target)
                    target.seek(0)
                    opened.pop_all()  # the caller closes it
                    return target
        raise BlobMissing(missing)

    @contextmanager
    def reading(self, owner: int, path: FilePath) -> Iterator[Path | None]:
        """As ``Uploads.reading``; raises BlobMissing and BlobDamaged too.

        What is assembled is removed at the end of the block, or with the old directories.
        """
        with storage_errors():
            assembled = TemporaryDirectory(dir=make_directory(self._local.root / str(owner)))
        with assembled as folder:
            yield self._assemble(owner, path, Path(folder))

    def remove(self, owner: int, path: FilePath) -> bool:
        """As ``Uploads.remove``."""
        inner = path[1:]
        with self._database.write(announce=False) as session:
            _lock(session, owner)
            files = _files(session, owner, path[0])
            keys = [file.key for each, file in files.items() if each[: len(inner)] == inner]
            _delete(session, keys)
        self._discard(keys)
        return bool(keys)

    def remove_old(self, older_than: float = KEPT_SECONDS, *, dry_run: bool = False) -> Leftovers:
        """As ``Uploads.remove_old``, by the database's clock; with what was left on this host."""
        left = self._local.remove_old(older_than, dry_run=dry_run)
        count, size = left.count, left.size
        last = func.max(UploadedFileRow.arrived_at)
        directory = (UploadedFileRow.owner, UploadedFileRow.directory)
        with self._database.read() as session:
            before = session.scalars(select(func.now())).one() - timedelta(seconds=older_than)
            old = session.execute(select(*directory).group_by(*directory).having(last < before))
            suspects = old.all()
        for owner, name in suspects:
            with self._database.write(announce=False) as session:
                _lock(session, owner)
                files = _files(session, owner, name).values()
                if not files or max(file.arrived_at for file in files) >= before:
                    continue
                count += 1
                size += sum(file.size for file in files)
                keys = [] if dry_run else [file.key for file in files]
                _delete(session, keys)
            self._discard(keys)
        return Leftovers(count, size)

    def _insert(
        self, session: Session, owner: int, path: FilePath, blob: StagedBlob, key: str
    ) -> list[str]:
        """Add the row of a file; the key of the one that it replaces."""
        _lock(session, owner)
        files, inner = _files(session, owner, path[0]), path[1:]
        if not files and len(_directories(session, owner)) >= self._most_directories:
            raise UploadsFull(f"{self._most_directories} directories of this token")
        above = {inner[:depth] for depth in range(1, len(inner))}
        is_folder = any(each[: len(inner)] == inner for each in files if each != inner)
        if is_folder or not above.isdisjoint(files):
            raise PathMalformed.in_use("/".join(path))
        others = [file.size for each, file in files.items() if each != inner]
        check_room(others, blob.size, self._most_files, self._most_bytes)
        replaced = [files[inner].key] if inner in files else []
        _delete(session, replaced)
        row = insert(UploadedFileRow).values(
            key=key,
            owner=owner,
            directory=path[0],
            path="/".join(inner),
            sha256=blob.digest,
            size=blob.size,
            arrived_at=func.now(),
        )
        session.execute(row)
        return replaced

    def _read(self, owner: int, path: FilePath) -> _Files:
        if not path:
            return {}
        with self._database.read() as session:
            return _files(session, owner, path[0])

    def _assemble(self, owner: int, path: FilePath, root: Path) -> Path | None:
        """The folder ``path`` as it was at one moment, in ``root``; None where there is none."""
        inner, missing = path[1:], ""
        for attempt in range(_READS):
            folder = root / str(attempt)
            files = self._read(owner, path).items()
            wanted = {
                each: file
                for each, file in files
                if each[: len(inner)] == inner and len(each) > len(inner)
            }
            if not wanted:
                return None
            try:
                for each, file in wanted.items():
                    missing = file.sha256
                    target = folder.joinpath(*each[len(inner) :])
                    with storage_errors():
                        target.parent.mkdir(parents=True, exist_ok=True)
                        opened = target.open("xb")
                    with opened:
                        self._fetch(file, opened)
            except FileNotFoundError:
                continue
            return folder
        raise BlobMissing(missing)

    def _fetch(self, file: UploadedFileRow, target: BinaryIO) -> None:
        """Write the bytes of ``file`` to ``target``.

        Raises FileNotFoundError where they are gone, BlobDamaged, BucketUnavailable, StorageFull
        and StorageUnavailable.
        """
        received = hashlib.sha256()
        for piece in self._bucket.read(file.key):
            received.update(piece)
            with storage_errors():
                target.write(piece)
        if received.hexdigest() != file.sha256:
            raise BlobDamaged(file.sha256, in_bucket=True)
        with storage_errors():
            target.flush()

    def _discard(self, keys: Sequence[str]) -> None:
        """Remove objects without rows. What is left where the bucket cannot be reached, or this
        process ends, is unused like other objects without rows, and removed with them."""
        with suppress(BucketUnavailable):
            if keys:
                self._bucket.remove(keys)


def _lock(session: Session, owner: int) -> None:
    """Lock what ``owner`` has, until the end of the transaction."""
    # Without the key, which rows that refer to the token lock.
    token = select(TokenRow.id).where(TokenRow.id == owner)
    session.execute(token.with_for_update(key_share=True))


def _directories(session: Session, owner: int) -> set[str]:
    names = select(UploadedFileRow.directory).where(UploadedFileRow.owner == owner).distinct()
    return set(session.scalars(names))


def _files(session: Session, owner: int, directory: str) -> _Files:
    rows = session.scalars(
        select(UploadedFileRow).where(
            UploadedFileRow.owner == owner, UploadedFileRow.directory == directory
        )
    )
    return {parse_path(row.path): row for row in rows}


def _delete(session: Session, keys: Sequence[str]) -> None:
    if keys:
        session.execute(delete(UploadedFileRow).where(UploadedFileRow.key.in_(keys)))
