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


def refuse_shared(data: Path) -> None:
    """Raise DataDirectoryRefused where ``data`` is a folder that all users share, like /tmp.

    To be called before anything is made or changed there. The empty mount point of a volume passes,
    and so does one with a registry in it.
    """
    if not data.exists():
        return
    data = data.resolve()
    mode = data.stat().st_mode
    if not (mode & stat.S_ISVTX and mode & stat.S_IWOTH):
        return
    used = any(data.iterdir()) and not (data / "registry.db").exists()
    if used or not data.is_mount():
        raise DataDirectoryRefused.shared(data)


def close_to_others(data: Path) -> None:
    """Take the rights of group and others away from the data directory ``data`` and all in it.

    A folder is closed after what it holds, so one that is closed is not looked into again. What
    belongs to another user, or is on a file system without modes, stays as it is.

    Raises DataDirectoryRefused where everybody may still replace or change the database; a mount
    point passes, since container platforms hand out volumes so.
    """
    data = data.resolve()
    _close(data)
    for path in (data / name for name in _FILES):
        _close(path)
    for folder in (data / name for name in _FOLDERS):
        if _is_open(folder) and os.geteuid() in {0, folder.stat().st_uid}:
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


def _close(path: Path) -> None:
    if _is_open(path):
        with suppress(PermissionError, FileNotFoundError):  # another's; removed meanwhile
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
