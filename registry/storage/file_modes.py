"""Keeps what the service stores closed to the other users of the machine.

Folders have the mode 0700 and files 0600. What is made later is made so; this closes what an
earlier release, or whoever made the data directory, left open.
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
_EXPECTED = frozenset({*_FOLDERS, *_FILES, "lost+found"})
_SIGNS = ("registry.db", "run/counter")
"""What a data directory has since its first start; the second one where the database is elsewhere
too."""


def refuse_foreign(data: Path) -> None:
    """Raise DataDirectoryRefused where ``data`` is a folder that is used for something else.

    To be called before anything is made or changed there. What has a registry passes, and what
    holds nothing but the service's own files, ``lost+found`` and names that begin with a dot. One
    that all users share, like /tmp, passes only as the mount point of a volume without others'
    files.
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
    """Take the rights of group and others away from the data directory ``data`` and all in it.

    A folder is closed after what it holds, so one that is closed is not looked into again. What
    belongs to another user, even if root asks, or is on a file system without modes, stays as it
    is.

    Raises what ``refuse_foreign`` does, and DataDirectoryRefused where everybody may still replace
    or change the database; a mount point passes, since container platforms hand out volumes so.
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
    """What in the data directory group or others have a right to; ``deep``: every single file."""
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
