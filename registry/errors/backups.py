"""Backups, and data directories that cannot be served or restored into."""

from collections.abc import Iterable
from pathlib import Path

from registry.errors.base import Conflict, Refused


class BackupRefused(Conflict):
    title = "Backup refused"

    @classmethod
    def program_missing(cls, program: str, folder: Path | None) -> "BackupRefused":
        where = "not found" if folder is None else f"not in {folder}"
        return cls(
            f"{program} is {where}. It is part of PostgreSQL's client programs: install those of "
            "the server's release, or name their folder with --pg-bin."
        )

    @classmethod
    def program_failed(cls, program: str, said: str) -> "BackupRefused":
        return cls(f"{program} failed, and nothing was left: {said}")

    @classmethod
    def of_the_other_kind(cls, folder: Path, *, is_dump: bool) -> "BackupRefused":
        if is_dump:
            return cls(
                f"{folder} is a backup of a PostgreSQL database: set HOTSWAP_DATABASE_URL to an "
                "empty one."
            )
        return cls(
            f"{folder} is a backup of an SQLite database, which is restored into the data "
            "directory: unset HOTSWAP_DATABASE_URL. 'hotswap db move' moves it to PostgreSQL."
        )

    @classmethod
    def database_not_empty(cls, url: str) -> "BackupRefused":
        return cls(f"{url} has tables. A backup is restored into an empty database: create one.")

    @classmethod
    def database_being_restored(cls, url: str) -> "BackupRefused":
        return cls(
            f"Another 'hotswap restore' is filling {url}, or a service is creating its tables."
        )

    @classmethod
    def program_too_old(cls, folder: Path, said: str) -> "BackupRefused":
        return cls(
            f"{folder} was made by the pg_dump of a later release of PostgreSQL than this "
            f"pg_restore ({said}). Name the folder of later programs with --pg-bin."
        )

    @classmethod
    def no_temporary_space(cls, temporary: str) -> "BackupRefused":
        return cls(
            f"{temporary} is too full to read the dump; nothing was changed. Make room there, or "
            "name another folder for temporary files with TMPDIR."
        )

    @classmethod
    def not_of_a_bucket(cls, folder: Path, count: int) -> "BackupRefused":
        return cls(
            f"The database of {folder} has no key for {count} blobs: they were in a folder. Unset "
            "HOTSWAP_BLOBS_URL to restore into one; 'hotswap blobs move' then copies them to the "
            "bucket."
        )

    @classmethod
    def taken(cls, target: Path) -> "BackupRefused":
        return cls(f"{target} already exists. A backup creates its own folder: choose a new path.")

    @classmethod
    def unwritable(cls, target: Path, error: OSError) -> "BackupRefused":
        why = error.strerror or type(error).__name__
        return cls(
            f"The backup {target} could not be written ({why}); what was written is removed."
        )

    @classmethod
    def full(cls, target: Path) -> "BackupRefused":
        return cls(f"The disk is too full for the backup {target}; what was written is removed.")

    @classmethod
    def incomplete(cls, versions: Iterable[str]) -> "BackupRefused":
        return cls(
            f"Artifacts are damaged or missing: {', '.join(dict.fromkeys(versions))}. Upload the "
            "same files again or restore them from an earlier backup; --incomplete backs up the "
            "rest."
        )


class BackupDamaged(Refused):
    title = "Backup damaged"

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"{folder} is not an intact backup: {why}.")


class DataDirectoryRefused(Conflict):
    title = "Data directory refused"

    @classmethod
    def not_empty(cls, data: Path, found: Iterable[str]) -> "DataDirectoryRefused":
        return cls(
            f"{data} is not empty (it contains {', '.join(sorted(found)[:5])}). A backup is "
            "restored into an empty or new folder: move the old one away first."
        )

    @classmethod
    def served(cls, data: Path, workers: int) -> "DataDirectoryRefused":
        return cls(
            f"A service with {workers} workers serves {data}. Stop it, move the folder away, and "
            "restore into a new one."
        )

    @classmethod
    def being_restored(cls, data: Path) -> "DataDirectoryRefused":
        return cls(f"Another 'hotswap restore' is running on {data}.")

    @classmethod
    def unfinished(cls, data: Path) -> "DataDirectoryRefused":
        return cls(
            f"A restore into {data} has not finished. Run 'hotswap restore' again, or wait for it."
        )

    @classmethod
    def writable_by_all(cls, path: Path) -> "DataDirectoryRefused":
        return cls(
            f"Every user of this machine may write to {path}, and its mode could not be changed. "
            f"Run 'chmod go-rwx {path}' as its owner, or use another data directory."
        )

    @classmethod
    def shared(cls, data: Path) -> "DataDirectoryRefused":
        return cls(
            f"{data} is shared by all users of this machine; nothing was changed there. Use a "
            "separate folder as the data directory."
        )

    @classmethod
    def foreign(cls, data: Path, found: Iterable[str]) -> "DataDirectoryRefused":
        return cls(
            f"{data} contains no registry, but other files ({', '.join(sorted(found)[:5])}). "
            "Nothing was changed there. Use an empty or new folder as the data directory."
        )

    @classmethod
    def unwritable(cls, data: Path, error: OSError) -> "DataDirectoryRefused":
        why = error.strerror or type(error).__name__
        return cls(f"{data} could not be written ({why}); nothing was left there.")
