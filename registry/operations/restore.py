"""Put a backup's registry into an empty data directory.

Everything is written to ``restoring/`` in the directory itself, which may be a mounted disk, and
then moved: the blobs first, the database last. Until that last step there is no registry, and a
service refuses to start. The last step of a backup of PostgreSQL is one transaction of pg_restore.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import inspect

from registry.backups.copying import write_durably
from registry.backups.dumps import Programs
from registry.backups.manifest import BLOBS, DATABASE, DUMP, Manifest, checked
from registry.blobs import locks
from registry.errors import BackupRefused, DataDirectoryRefused
from registry.live.fleet import Fleet
from registry.operations.verify_backup import verify_backup
from registry.storage.database import Database
from registry.storage.durable import fsync_directory, make_directory, rename_durably
from registry.storage.file_modes import refuse_foreign

_STAGING = "restoring"
_NOTHING = frozenset({".gitkeep", "lost+found"})
"""What an empty directory may hold."""


def restore(
    folder: Path,
    data: Path,
    run: Path | None = None,
    *,
    database: Database | None = None,
    programs: Programs | None = None,
) -> Manifest:
    """Verify the backup in ``folder`` and restore it into the data directory ``data``. ``run``: its
    run folder, if that is not in it.

    A backup of PostgreSQL is restored into the empty ``database`` of such a server by ``programs``.

    Raises BackupDamaged; BackupRefused for a backup of the other kind of database, or where
    ``database`` is not empty or pg_restore fails; DataDirectoryRefused where ``data`` is in use,
    not empty, not writable or shared by all users.
    """
    programs = programs or Programs()
    manifest = verify_backup(folder, programs)
    if manifest.is_dump != (database is not None):
        raise BackupRefused.of_the_other_kind(folder, is_dump=manifest.is_dump)
    if database is not None:
        _check_has_no_tables(database)
    with _claimed(data, run or data / "run") as staging:
        (staging / BLOBS).mkdir(mode=0o700)
        files = manifest.files if database is None else manifest.blobs
        for entry in files:
            target = staging / entry.path
            target.parent.mkdir(mode=0o700, exist_ok=True)
            write_durably(target, checked(folder, entry))
        for shard in (staging / BLOBS).iterdir():
            fsync_directory(shard)
        fsync_directory(staging / BLOBS)
        _check_is_empty(data, {_STAGING})
        rename_durably(staging / BLOBS, data / BLOBS)
        if database is None:
            _link_database(staging, data)
        else:
            programs.restore(folder / DUMP, database.url)
    return manifest


def _check_has_no_tables(database: Database) -> None:
    with database.read() as session:
        if inspect(session.connection()).get_table_names():
            raise BackupRefused.database_not_empty(database.url.render_as_string())


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
def _claimed(data: Path, run: Path) -> Iterator[Path]:
    """The staging folder in ``data``, locked against other restorations; removed at the end.

    After an exception ``data`` is as before.
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
            except BaseException:
                if not (data / DATABASE).exists():
                    _remove(data / BLOBS)
                raise
            finally:
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
        # An earlier restoration was killed; remove what it left.
        _check_is_empty(data, {_STAGING, BLOBS})
        _remove(data / BLOBS)
        _remove(staging)
    _check_is_empty(data, set())
    refuse_foreign(data)
    staging.mkdir(mode=0o700)
    return staging


def _check_is_empty(data: Path, ours: set[str]) -> None:
    if found := {path.name for path in data.iterdir()} - _NOTHING - ours:
        raise DataDirectoryRefused.not_empty(data, found)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
