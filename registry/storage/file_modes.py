"""Denies other users of the machine access to what the service stores.

Folders have the mode 0700 and files 0600. New ones are created so; this changes those that an
earlier release, or whoever created the data directory, left accessible.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from registry.errors import DataDirectoryRefused

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_FOLDERS = ("blobs", "run", "restoring")
_FILES = ("admin.token", "registry.db", "registry.db-wal", "registry.db-shm", "registry.db-journal")
_EXPECTED = frozenset({*_FOLDERS, *_FILES, "cache", "webhooks.key", "lost+found"})
_SIGNS = ("registry.db", "run/counter")
"""What a data directory has since its first start; the second also where the database is stored
elsewhere."""


def refuse_foreign(data: Path) -> None:
    """Raise DataDirectoryRefused where ``data`` is a folder that is used for something else.

    To be called before anything is created or changed there. A directory passes if it has a
    registry, or holds only the service's own files, ``lost+found`` and names that begin with a dot.
    One that all users can write, like /tmp, passes only if it is a mount point without other files.
    """
    if not data.is_dir():
        return
    data = data.resolve()
    mode = data.stat().st_mode
    has_registry = any((data / sign).exists() for sign in _SIGNS)
    found = set() if has_registry else {path.name for path in data.iterdir()} - _EXPECTED
    if mode & stat.S_ISVTX and mode & stat.S_IWOTH and (found or not data.is_mount()):
        raise DataDirectoryRefused.shared(data)
    if foreign := [name for name in found if not name.startswith(".")]:
        raise DataDirectoryRefused.foreign(data, foreign)


def close_to_others(data: Path) -> None:
    """Remove the permissions of group and others from the data directory ``data`` and its contents.

    A folder is changed after its contents, so one that is closed is not read again. Files of
    another user, also if root calls this, and file systems without modes are left unchanged.

    Raises what ``refuse_foreign`` does, and DataDirectoryRefused where every user can still replace
    or change the database; a mount point passes, since container platforms create such volumes.
    """
    refuse_foreign(data)
    data = data.resolve()
    _close(data)
    for path in (data / name for name in _FILES):
        _close(path)
    for folder in (data / name for name in _FOLDERS):
        if _is_open(folder) and _is_own(folder):
            for inner, _, files in os.walk(folder, topdown=False):
                for path in (*(Path(inner, name) for name in files), Path(inner)):
                    _close(path)
    if _open_to_all(data) and not data.is_mount():
        raise DataDirectoryRefused.writable_by_all(data)
    for path in (data / name for name in _FILES):
        if _open_to_all(path):
            raise DataDirectoryRefused.writable_by_all(path)


def open_to_others(data: Path, *, deep: bool = False) -> Iterator[Path]:
    """The paths in the data directory that group or others can access; ``deep``: every file."""
    data = data.resolve()
    tops = [data, *(data / name for name in (*_FILES, *_FOLDERS))]
    yield from filter(_is_open, tops)
    if deep:
        for folder in (data / name for name in _FOLDERS):
            for inner, folders, files in os.walk(folder):
                yield from filter(_is_open, (Path(inner, name) for name in (*folders, *files)))


def _is_open(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    return not stat.S_ISLNK(mode) and bool(mode & _OTHERS)


def _open_to_all(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def _is_own(path: Path) -> bool:
    return path.lstat().st_uid == os.geteuid()


def _close(path: Path) -> None:
    with suppress(PermissionError, FileNotFoundError):  # removed meanwhile
        if _is_open(path) and _is_own(path):
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
