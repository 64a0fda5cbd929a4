"""Remove the blobs that nothing uses: what uploads left that never became a version.

Uploads may run at the same time and lose nothing, however short the grace period is: an upload
holds its bytes until its row is written (see ``registry.blobs.local``). The grace period is for
people, who may want to inspect what a failed upload left.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from registry.blobs.store import BlobStore, Leftovers, Removed
from registry.reading.blob_uses import used_digests
from registry.storage.database import Database

GRACE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Collection:
    """What was removed, or would be: unused blobs, and files of interrupted uploads."""

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
    """Remove unused blobs that were stored at least ``older_than`` seconds ago, and what
    interrupted uploads left; with ``dry_run`` only count them.

    ``clock`` gives the time of day, as in the modification times of blobs.

    Raises BlobsBusy, StorageUnavailable, DatabaseBusy, DatabaseUnavailable.
    """

    def used(prefix: str) -> set[str]:
        with database.read() as session:
            return used_digests(session, prefix)

    # Without a grace period, blobs stored at this moment are old enough.
    kept_before = clock() - older_than if older_than > 0 else float("inf")
    return Collection(
        blobs=blobs.remove_unused(used, kept_before, dry_run=dry_run),
        interrupted=blobs.sweep(dry_run=dry_run),
    )
