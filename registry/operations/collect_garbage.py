"""Remove the bytes that nothing points at: what uploads left that never became a version.

Uploads go on beside it and lose nothing, however short the grace period is: an upload holds its
bytes until its row is written (``registry.blobs.local`` says how). The grace period is for people,
who may want to look at what a failed upload left.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from registry.blobs.store import BlobStore, Leftovers, Removed
from registry.reading.blob_references import referenced_digests
from registry.storage.database import Database

GRACE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Collection:
    """What was removed, or would be: blobs without a version, and files of dead uploads."""

    blobs: Removed
    interrupted: Leftovers


def collect_garbage(
    database: Database,
    blobs: BlobStore,
    *,
    older_than: float = GRACE_SECONDS,
    dry_run: bool = False,
    clock: Callable[[], float] = time.time,
) -> Collection:
    """Remove blobs that no version points at and that were kept ``older_than`` seconds ago or
    earlier, and what interrupted uploads left; with ``dry_run`` only count them.

    ``clock`` gives the time of day, which blobs are dated by.

    Raises BlobsBusy, StorageUnavailable, DatabaseBusy, DatabaseUnavailable.
    """

    def used(prefix: str) -> set[str]:
        with database.read() as session:
            return referenced_digests(session, prefix)

    # Blobs dated at this very moment are old enough for a grace period of nothing.
    kept_before = clock() - older_than if older_than > 0 else float("inf")
    return Collection(
        blobs=blobs.remove_unused(used, kept_before, dry_run=dry_run),
        interrupted=blobs.sweep(dry_run=dry_run),
    )
