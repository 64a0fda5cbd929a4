"""Folders and files that survive a power cut."""

import os
from pathlib import Path


def make_directory(path: Path) -> Path:
    """Make ``path`` if it is not there, each new folder durable in the one above it.

    Only this user may enter what is made.
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
