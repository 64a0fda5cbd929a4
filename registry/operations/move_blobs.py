"""Copy the blobs of a registry from its folder into a bucket, or back.

The source is left as it is, so that the service can run on it until everything is copied. What the
target has already is not copied again: after an interruption the same command goes on where it was.
"""

from collections.abc import Callable
from dataclasses import dataclass

from registry.backups.copying import pieces
from registry.blobs.places import record_places
from registry.blobs.store import BlobStore
from registry.errors import BlobDamaged, BlobMissing
from registry.reading.blob_uses import used_digests
from registry.storage.database import Database

Progress = Callable[[int, int], None]
"""Called after each blob that was copied, with how many of how many were."""


@dataclass(frozen=True, slots=True)
class Moved:
    """``present``: blobs that the target had before; ``lost``: the digests of those that are
    damaged or missing in the source."""

    copied: int
    size: int
    present: int
    lost: tuple[str, ...]


def move_blobs(
    database: Database,
    source: BlobStore,
    target: BlobStore,
    *,
    progress: Progress | None = None,
) -> Moved:
    """Copy every blob in use that ``target`` does not have, and those of uploads meanwhile.

    Raises StorageFull, and the Unavailable errors other than BlobUnavailable.
    """
    size = 0
    copied: set[str] = set()
    lost: set[str] = set()
    present: int | None = None
    while True:
        with database.read() as session:
            used = used_digests(session)
        holds = target.holding()
        wanted = sorted(digest for digest in used - lost - copied if not holds(digest))
        if present is None:
            present = len(used) - len(wanted)
        if not wanted:
            return Moved(len(copied), size, present, tuple(sorted(lost)))
        for digest in wanted:
            try:
                size += _copy(database, source, target, digest)
                copied.add(digest)
            except (BlobMissing, BlobDamaged):
                lost.add(digest)
            if progress is not None:
                progress(len(copied) + len(lost), len(used) - present)


def _copy(database: Database, source: BlobStore, target: BlobStore, digest: str) -> int:
    """Copy one blob and return its size. Raises BlobMissing and BlobDamaged of ``source``."""
    with source.open(digest) as file:
        length = file.seek(0, 2)
        file.seek(0)
        with target.stage(length) as blob:
            for piece in pieces(file):
                blob.write(piece)
            if blob.digest != digest:  # it was intact when it was opened
                raise BlobDamaged(digest)
            blob.keep()
            if blob.places:
                with database.write(announce=False) as session:
                    record_places(session, blob.places)
            return length
