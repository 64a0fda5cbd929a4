"""Folders and files that survive a power cut."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def make_directory(path: Path) -> Path:
    """Create ``path`` if it does not exist, each new folder durable in its parent.

    New folders are accessible to this user only.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
        fsync_directory(folder.parent)
    return path


def fsync_directory(path: Path) -> None:
    """Make the names in the folder ``path`` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_file(file: BinaryIO) -> None:
    """Make what was written to ``file`` durable."""
    file.flush()
    os.fsync(file.fileno())


def rename_durably(source: Path, target: Path) -> None:
    """Rename ``source`` to ``target``, replacing what is there; the new name is durable.

    The content of ``source`` has to be durable already.
    """
    source.replace(target)
    fsync_directory(target.parent)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Create the file ``path`` and open it for writing; its content is durable after the block.

    Its name is not: call ``fsync_directory`` on the folder. Only this user may read the file.
    Raises OSError.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        fsync_file(file)


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write ``content`` to ``path``, replacing what is there; durable when this returns.

    A reader of ``path`` finds the old content or the new, also after a crash. ``mode`` is set
    whatever the umask. Raises OSError with ``path`` as its file.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with new_file(temporary) as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
        rename_durably(temporary, path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # a full disk has none
        raise
    finally:
        temporary.unlink(missing_ok=True)
