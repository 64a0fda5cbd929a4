"""Put a backup's registry into an empty data directory.

Everything is written to ``restoring/`` in the directory itself, which may be a mounted disk, and
then moved: the blobs first, the database last. Until that last step there is no registry, and a
service refuses to start. The last step of a backup of PostgreSQL is one transaction of pg_restore;
``restoring/`` stays until it is known how that ended, so that no service starts before the same
command has been repeated. Blobs that were in a bucket are stored there before the database too.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import func, inspect, select
from sqlalchemy.exc import DBAPIError

from registry.backups.copying import write_durably
from registry.backups.dumps import Programs
from registry.backups.manifest import BLOBS, DATABASE, DUMP, Manifest, checked
from registry.blobs import locks
from registry.blobs.bucket import Bucket
from registry.errors import (
    BackupRefused,
    DataDirectoryRefused,
    HistoryBroken,
    RegistryError,
    SchemaMismatch,
)
from registry.live.fleet import Fleet
from registry.operations.restore_objects import restore_objects
from registry.operations.verify_backup import verify_backup
from registry.storage.database import Database, translated_errors
from registry.storage.durable import fsync_directory, make_directory, rename_durably
from registry.storage.file_modes import refuse_foreign
from registry.storage.history import Head, verify
from registry.storage.schema import MIGRATION_LOCK, current_revision

_STAGING = "restoring"
_NOTHING = frozenset({".gitkeep", "lost+found"})
"""What an empty directory may hold."""


def restore(
    folder: Path,
    data: Path,
    run: Path | None = None,
    *,
    database: Database | None = None,
    bucket: Bucket | None = None,
    programs: Programs | None = None,
) -> Manifest:
    """Verify the backup in ``folder`` and restore it into the data directory ``data``. ``run``: its
    run folder, if that is not in it.

    A backup of PostgreSQL is restored into the empty ``database`` of such a server by ``programs``.
    With ``bucket`` the blobs are stored there, under the keys that the database has for them.

    Raises BackupDamaged; BackupRefused for a backup of the other kind of database, or where
    ``database`` is not empty, is being filled, or pg_restore fails; DataDirectoryRefused where
    ``data`` is in use, not empty, not writable or shared by all users; the Unavailable errors.
    """
    programs = programs or Programs()
    manifest = verify_backup(folder, programs)
    if manifest.is_dump != (database is not None):
        raise BackupRefused.of_the_other_kind(folder, is_dump=manifest.is_dump)
    if database is None:
        with _claimed(data, run or data / "run") as staging:
            if bucket is None:
                _restore_blobs(folder, data, staging, manifest)
            else:
                restore_objects(bucket, folder, manifest, programs)
            (entry,) = (entry for entry in manifest.files if entry.path == DATABASE)
            write_durably(staging / DATABASE, checked(folder, entry))
            fsync_directory(staging)
            _link_database(staging, data)
        return manifest
    with _alone(database):
        _check_is_ours(database, data, manifest)
        with _claimed(data, run or data / "run", database) as staging:
            if bucket is None:
                _restore_blobs(folder, data, staging, manifest)
            else:
                restore_objects(bucket, folder, manifest, programs)
            if not _has_tables(database):
                programs.restore(folder / DUMP, database.url)
    return manifest


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """Exclude other restorations, and services that would create the tables, from ``database``.

    Raises BackupRefused and the Unavailable errors.
    """
    engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with translated_errors(), engine.connect() as connection:
        if not connection.scalar(select(func.pg_try_advisory_lock(MIGRATION_LOCK))):
            raise BackupRefused.database_being_restored(database.url.render_as_string())
        try:
            yield
        finally:
            with suppress(DBAPIError):  # without a connection there is no lock
                connection.execute(select(func.pg_advisory_unlock(MIGRATION_LOCK)))


def _check_is_ours(database: Database, data: Path, manifest: Manifest) -> None:
    """Check that ``database`` is empty, or that a restoration into ``data`` which was killed has
    filled it from this backup. Raises BackupRefused and the Unavailable errors."""
    if not _has_tables(database):
        return
    if (data / _STAGING).exists():
        with suppress(HistoryBroken, SchemaMismatch), database.read() as session:
            if current_revision(session.connection()) == manifest.schema:
                verify(session, Head.parse(manifest.history))
                return
    raise BackupRefused.database_not_empty(database.url.render_as_string())


def _has_tables(database: Database) -> bool:
    with database.read() as session:
        return bool(inspect(session.connection()).get_table_names())


def _is_without_registry(database: Database | None, error: BaseException) -> bool:
    """Whether no registry can be in ``database`` after ``error``. After an interrupt of pg_restore
    that is unknown: the server may still commit."""
    if database is None:
        return True
    try:
        return isinstance(error, Exception) and not _has_tables(database)
    except RegistryError:
        return False


def _restore_blobs(folder: Path, data: Path, staging: Path, manifest: Manifest) -> None:
    (staging / BLOBS).mkdir(mode=0o700)
    for entry in manifest.blobs:
        target = staging / entry.path
        target.parent.mkdir(mode=0o700, exist_ok=True)
        write_durably(target, checked(folder, entry))
    for shard in (staging / BLOBS).iterdir():
        fsync_directory(shard)
    fsync_directory(staging / BLOBS)
    _check_is_empty(data, {_STAGING})
    rename_durably(staging / BLOBS, data / BLOBS)


def _link_database(staging: Path, data: Path) -> None:
    try:
        # A link, since a rename would replace a database that was created meanwhile.
        os.link(staging / DATABASE, data / DATABASE)
    except FileExistsError as error:
        raise DataDirectoryRefused.not_empty(data, [DATABASE]) from error
    try:
        fsync_directory(data)
    except OSError:
        (data / DATABASE).unlink()
        raise


def check_restored(data: Path) -> None:
    """Make sure that no restoration into ``data`` is incomplete.

    One that was killed when only its staging folder had to be removed is completed here.

    Raises DataDirectoryRefused where a restoration is running or was interrupted.
    """
    staging = data / _STAGING
    if not staging.exists():
        return
    if not (data / DATABASE).exists():
        raise DataDirectoryRefused.unfinished(data)
    with locks.tried(data, fcntl.LOCK_EX, 0) as alone:
        if alone:  # else the restoration, or another worker, is removing it
            shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _claimed(data: Path, run: Path, database: Database | None = None) -> Iterator[Path]:
    """The staging folder in ``data``, locked against other restorations; removed at the end.

    After an exception ``data`` is as before, unless ``database`` may have the registry: then the
    staging folder stays.
    """
    data = data.absolute()
    made = [path for path in (data, *data.parents) if not path.exists()]
    try:
        make_directory(data)
        with locks.tried(data, fcntl.LOCK_EX, 0) as alone:
            if not alone:
                raise DataDirectoryRefused.being_restored(data)
            staging = _stage(data, run)
            try:
                yield staging
            except BaseException as error:
                if _is_without_registry(database, error):
                    if not (data / DATABASE).exists():
                        _remove(data / BLOBS)
                    _remove(staging)
                raise
            _remove(staging)
            fsync_directory(data)
    except BaseException as error:
        with suppress(OSError):  # another restoration may have started in it
            for path in made:
                path.rmdir()
        if isinstance(error, OSError):
            raise DataDirectoryRefused.unwritable(data, error) from error
        raise


def _stage(data: Path, run: Path) -> Path:
    staging = data / _STAGING
    if workers := Fleet(run / "workers").alive():
        raise DataDirectoryRefused.served(data, workers)
    if staging.exists() and not (data / DATABASE).exists():
        # An earlier restoration was killed; remove what it left. The folder itself stays all the
        # time: the database may have been filled.
        _check_is_empty(data, {_STAGING, BLOBS})
        for left in (data / BLOBS, *staging.iterdir()):
            _remove(left)
        refuse_foreign(data)
        return staging
    _check_is_empty(data, set())
    refuse_foreign(data)
    staging.mkdir(mode=0o700)
    return staging


def _check_is_empty(data: Path, ours: set[str]) -> None:
    if found := {path.name for path in data.iterdir()} - _NOTHING - ours:
        raise DataDirectoryRefused.not_empty(data, found)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
