"""Files that are copied once, hashed on the way and durable at the end."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

_CHUNK = 2**20


class Written(NamedTuple):
    """What was written: its SHA-256 in hex, and its size in bytes."""

    sha256: str
    size: int


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """The rest of ``file``, a MiB at a time."""
    while piece := file.read(_CHUNK):
        yield piece


def write_durably(path: Path, content: Iterable[bytes]) -> Written:
    """Make a new file ``path``, which only its owner may read, of ``content``."""
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for piece in content:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
        file.flush()
        os.fsync(descriptor)
    return Written(digest.hexdigest(), size)


def made_durable(path: Path) -> Written:
    """Make the file ``path``, which something else wrote, durable and private to its owner."""
    with path.open("rb+") as file:
        os.fchmod(file.fileno(), 0o600)
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256")
        return Written(digest.hexdigest(), file.tell())
