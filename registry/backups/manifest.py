"""The manifest of a backup.

<backup>/manifest.json       written last: without it a folder is not a backup
<backup>/registry.db         the database, as SQLite's VACUUM INTO wrote it, or
<backup>/registry.dump       that of PostgreSQL, as pg_dump wrote it in its custom format
<backup>/blobs/ab/abcd…      every blob that this database points at
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from registry.backups.copying import pieces, write_durably
from registry.errors import BackupDamaged

MANIFEST, DATABASE, DUMP, BLOBS = "manifest.json", "registry.db", "registry.dump", "blobs"
_FORMAT = 1
_DATABASES = frozenset({DATABASE, DUMP})
_PATH = re.compile(rf"registry\.(?:db|dump)|{BLOBS}/([0-9a-f]{{2}})/(\1[0-9a-f]{{62}})")


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the backup; ``path`` is relative to its folder."""

    path: str
    sha256: str
    size: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``schema`` and ``history`` (``SEQ:HASH``, the end of the chain) are those of the database."""

    format: int = _FORMAT
    made_at: str
    schema: str
    history: str
    files: tuple[Entry, ...]
    missing: tuple[str, ...] = ()
    """SHA-256 of blobs that the database points at and that were already lost."""

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.files)

    @property
    def blobs(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.files if entry.path not in _DATABASES)

    @property
    def blob_count(self) -> int:
        return len(self.blobs)

    @property
    def is_dump(self) -> bool:
        """Whether the backup is of a PostgreSQL database."""
        return any(entry.path == DUMP for entry in self.files)

    def write(self, folder: Path) -> None:
        """Make the manifest durable in ``folder``."""
        content = msgspec.json.format(msgspec.json.encode(self), indent=1)
        write_durably(folder / MANIFEST, [content])


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the backup in ``folder``, its paths checked.

    Raises BackupDamaged.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError as error:
        raise BackupDamaged(
            folder, "there is no manifest.json, so the backup is not complete"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackupDamaged(folder, f"its manifest cannot be read: {error}") from error
    if manifest.format != _FORMAT:
        raise BackupDamaged(folder, f"its format is {manifest.format}, expected {_FORMAT}")
    for entry in manifest.files:
        named = _PATH.fullmatch(entry.path)
        if named is None or (named[2] is not None and named[2] != entry.sha256):
            raise BackupDamaged(folder, f"its manifest lists {entry.path!r}")
    paths = [entry.path for entry in manifest.files]
    if len(set(paths)) != len(paths) or len(_DATABASES.intersection(paths)) != 1:
        raise BackupDamaged(folder, "its manifest does not list every file once")
    return manifest


def checked(folder: Path, entry: Entry) -> Iterator[bytes]:
    """The bytes of ``entry``, piece by piece, and then a check that they match the manifest.

    Raises BackupDamaged.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with (folder / entry.path).open("rb") as file:
            for piece in pieces(file):
                digest.update(piece)
                size += len(piece)
                yield piece
    except FileNotFoundError as error:
        raise BackupDamaged(folder, f"{entry.path} is missing") from error
    except OSError as error:
        raise BackupDamaged(folder, f"{entry.path} cannot be read ({error.strerror})") from error
    if (digest.hexdigest(), size) != (entry.sha256, entry.size):
        raise BackupDamaged(folder, f"{entry.path} does not match the manifest")
