"""Copy the registry, while it is in use, into a folder.

The database is copied first, as one consistent state: by SQLite, or by pg_dump; then the blobs that
this copy uses. All of them exist: bytes are stored before their row, versions are never deleted,
and no blob is removed while the backup runs.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.backups.copying import made_durable, pieces, write_durably
from registry.backups.dumps import Programs
from registry.backups.folder import new_folder
from registry.backups.manifest import BLOBS, DATABASE, DUMP, Entry, Manifest, checked, read_manifest
from registry.blobs.store import BlobStore
from registry.errors import (
    BackupDamaged,
    BackupRefused,
    BlobDamaged,
    BlobMissing,
    StorageFull,
    StorageUnavailable,
)
from registry.reading.blob_uses import blob_uses, used_digests
from registry.reading.views import timestamp
from registry.storage.database import Database, frozen
from registry.storage.history import verify
from registry.storage.schema import HEAD
from registry.storage.tables import utc_now

logger = logging.getLogger(__name__)


def back_up(
    database: Database,
    blobs: BlobStore,
    target: Path,
    *,
    since: Path | None = None,
    incomplete: bool = False,
    programs: Programs | None = None,
) -> Manifest:
    """Create the backup ``target``, a folder that does not exist yet or is empty.

    Blobs that the backup ``since`` holds become links to its files, which are verified but take no
    space; the others are copied. Where files cannot be linked, as across disks, all are copied. A
    damaged file of ``since`` is logged, and copied from the registry.

    ``incomplete``: if blobs are damaged or missing, back up without them; the manifest names them.
    ``programs`` are those of PostgreSQL; by default, where PATH has them.

    Raises BackupRefused, BackupDamaged where ``since`` is no backup, BlobsBusy, HistoryBroken, and
    the Unavailable errors.
    """
    before = {} if since is None else {e.sha256: e for e in read_manifest(since).files}
    with blobs.nothing_removed(), new_folder(target) as folder:
        try:
            with _copied(database, folder, programs or Programs()) as (copy, session):
                head = verify(session)
                digests = sorted(used_digests(session))
        except StorageFull as error:
            raise BackupRefused.full(target) from error
        entries = [Entry(copy.name, *made_durable(copy))]
        missing = []
        (folder / BLOBS).mkdir(mode=0o700)
        for digest in digests:
            try:
                kept = before.get(digest)
                if since is None or kept is None or not _linked(since, kept, folder):
                    kept = _copy(blobs, digest, folder)
                entries.append(kept)
            except (BlobMissing, BlobDamaged):
                missing.append(digest)
        if missing and not incomplete:
            with database.read() as session:
                found = blob_uses(session, set(missing))
            uses = sorted({use for each in found.values() for use in each})
            raise BackupRefused.incomplete([use.owner for use in uses])
        manifest = Manifest(
            made_at=timestamp(utc_now()),
            schema=HEAD,
            history=str(head),
            files=tuple(entries),
            missing=tuple(missing),
        )
        manifest.write(folder)
    return manifest


@contextmanager
def _copied(database: Database, folder: Path, programs: Programs) -> Iterator[tuple[Path, Session]]:
    """The copy of the database in ``folder``, and a session that sees the state of the copy.

    Raises StorageFull, BackupRefused, and the Unavailable errors.
    """
    if database.is_sqlite:
        copy = folder / DATABASE
        database.copy_to(copy)
        with frozen(copy) as session:
            yield copy, session
        return
    dump = folder / DUMP
    with database.read() as session:
        snapshot = session.scalar(select(func.pg_export_snapshot()))
        programs.dump(database.url, str(snapshot), dump)
        yield dump, session


def _linked(since: Path, kept: Entry, folder: Path) -> bool:
    """Link the file of an earlier backup into ``folder``, and verify it; False where it cannot be
    linked or does not match the earlier manifest."""
    source, target = since / kept.path, folder / kept.path
    target.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
        for _ in checked(folder, kept):
            pass
    except (BackupDamaged, FileNotFoundError):
        logger.warning("%s is damaged or missing; the registry's own file is copied", source)
        target.unlink(missing_ok=True)
        return False
    except OSError:  # another disk, a file system without links, too many links
        return False
    return True


def _copy(blobs: BlobStore, digest: str, folder: Path) -> Entry:
    """Copy the blob below ``folder``. Raises BlobMissing, BlobDamaged, StorageUnavailable."""
    name = f"{BLOBS}/{digest[:2]}/{digest}"
    target = folder / name
    target.parent.mkdir(mode=0o700, exist_ok=True)
    with blobs.open(digest) as source:
        written = write_durably(target, _read(source))
    if written.sha256 != digest:  # it was intact when it was opened
        target.unlink()
        raise BlobDamaged(digest)
    return Entry(name, *written)


def _read(source: BinaryIO) -> Iterator[bytes]:
    """The pieces of a blob. An OSError here is a fault of the registry's disk, not the backup's."""
    try:
        yield from pieces(source)
    except OSError as error:
        raise StorageUnavailable(error.strerror or type(error).__name__) from error
