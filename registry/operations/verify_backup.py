"""Verify a backup: every hash, the chain of the history, and every blob that it needs."""

from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from registry.backups.dumped_tables import opened_dump
from registry.backups.dumps import Programs
from registry.backups.manifest import DATABASE, DUMP, Manifest, checked, read_manifest
from registry.errors import BackupDamaged, BackupRefused, HistoryBroken, RegistryError
from registry.reading.blob_uses import used_digests
from registry.storage.database import frozen
from registry.storage.history import verify
from registry.storage.schema import HEAD, current_revision


def verify_backup(folder: Path, programs: Programs | None = None) -> Manifest:
    """The manifest of the backup in ``folder``, after all of it was read and verified.

    ``programs`` read the dump of a PostgreSQL database.

    Raises BackupDamaged; BackupRefused for such a backup where pg_restore is not installed.
    """
    manifest = read_manifest(folder)
    for entry in manifest.files:
        for _ in checked(folder, entry):
            pass
    try:
        if manifest.is_dump:
            with opened_dump(folder / DUMP, programs or Programs()) as session:
                _check_database(session, folder, manifest)
        else:
            with frozen(folder / DATABASE) as session:
                _check_file(session, folder)
                _check_database(session, folder, manifest)
    except (BackupDamaged, BackupRefused):
        raise
    except (RegistryError, DatabaseError, ValueError) as error:
        raise BackupDamaged(folder, f"its database cannot be read: {error}") from error
    return manifest


def _check_file(session: Session, folder: Path) -> None:
    found = session.scalars(text("PRAGMA integrity_check(1)")).all()
    if list(found) != ["ok"]:
        raise BackupDamaged(folder, f"SQLite finds its database damaged: {found[0]}")


def _check_database(session: Session, folder: Path, manifest: Manifest) -> None:
    revision = current_revision(session.connection())
    if revision != HEAD or manifest.schema != HEAD:
        raise BackupDamaged(
            folder,
            f"its database has schema {revision}, this release {HEAD}; restore it with "
            "the release that made it",
        )
    try:
        head = verify(session)
    except HistoryBroken as error:
        raise BackupDamaged(folder, f"its history is broken: {error.detail}") from error
    if str(head) != manifest.history:
        raise BackupDamaged(folder, f"its history ends at {head}, not where the manifest says")
    held = {entry.sha256 for entry in manifest.files} | set(manifest.missing)
    if lacking := used_digests(session) - held:
        raise BackupDamaged(folder, f"it lacks {len(lacking)} blobs, such as {min(lacking)}")
