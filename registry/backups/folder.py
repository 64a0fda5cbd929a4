"""Creates a folder completely or not at all."""

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registry.errors import BackupRefused
from registry.storage.durable import fsync_directory, rename_durably

_UNFINISHED = ".hotswap-unfinished"


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder next to ``target`` to write to; after the block it has that name and is durable.

    An exception removes it. Unfinished folders that killed processes left next to ``target`` are
    removed too: they have a suffix in their name, and no process holds their lock.

    Raises BackupRefused where ``target`` exists already or cannot be written. Its parent folder
    has to exist.
    """
    target = target.absolute()
    _check_is_free(target)
    try:
        _sweep(target.parent)
        folder, lock = _claim(target)
        try:
            yield folder
            for inner in sorted(folder.rglob("*"), reverse=True):
                if inner.is_dir():
                    fsync_directory(inner)
            fsync_directory(folder)
            rename_durably(folder, target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
            raise BackupRefused.taken(target) from error
        raise BackupRefused.unwritable(target, error) from error


def _check_is_free(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise BackupRefused.taken(target)
    if target.is_dir() and (target.is_mount() or any(target.iterdir())):
        raise BackupRefused.taken(target)


def _claim(target: Path) -> tuple[Path, int]:
    """A new folder next to ``target``, and the descriptor whose lock marks it as in use."""
    while True:
        folder = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_UNFINISHED}")
        folder.mkdir(mode=0o700)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if folder.exists():  # unless another sweep removed it before it was locked
            return folder, descriptor
        os.close(descriptor)


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f".*{_UNFINISHED}"):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue  # another backup is writing it
        finally:
            os.close(descriptor)
