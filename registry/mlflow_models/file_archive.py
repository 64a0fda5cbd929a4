"""Small files of a directory in one blob: an uncompressed tar, whose members are read in place."""

import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from registry.blobs.store import StagedBlob


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: where its bytes are."""

    offset: int
    size: int


def write_archive(folder: Path, paths: Iterable[Path], blob: StagedBlob) -> None:
    """Write the files ``paths`` in ``folder`` to ``blob``. Raises OSError, TooLarge, StorageFull
    and StorageUnavailable."""
    sink = cast("BinaryIO", blob)
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for path in paths:
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            with path.open("rb") as file:
                entry.size = path.stat().st_size
                archive.addfile(entry, file)


def members_of(blob: BinaryIO) -> dict[str, Member]:
    """The files of an archive that ``write_archive`` wrote, by their paths."""
    with tarfile.open(fileobj=blob, mode="r:") as archive:
        return {entry.name: Member(entry.offset_data, entry.size) for entry in archive}
