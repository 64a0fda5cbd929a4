"""Copies files, hashing them on the way, and makes them durable."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from registry.storage.durable import fsync_file, new_file

_CHUNK = 2**20


class Written(NamedTuple):
    """A written file: its SHA-256 in hex, and its size in bytes."""

    sha256: str
    size: int


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """The rest of ``file``, a MiB at a time."""
    while piece := file.read(_CHUNK):
        yield piece


def write_durably(path: Path, content: Iterable[bytes]) -> Written:
    """Create the file ``path``, readable by this user only, and write ``content`` to it."""
    digest, size = hashlib.sha256(), 0
    with new_file(path) as file:
        for piece in content:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
    return Written(digest.hexdigest(), size)


def made_durable(path: Path) -> Written:
    """Make the existing file ``path`` durable and private to its owner."""
    with path.open("rb+") as file:
        os.fchmod(file.fileno(), 0o600)
        fsync_file(file)
        digest = hashlib.file_digest(file, "sha256")
        return Written(digest.hexdigest(), file.tell())
