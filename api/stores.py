"""What a service keeps in its database and in its directories, before anything is loaded."""

import logging
from dataclasses import dataclass
from functools import partial

from api.release import RELEASE
from config import Settings
from registry.blobs.choice import blob_store, upload_store
from registry.blobs.shared_uploads import SharedUploads
from registry.blobs.store import BlobStore
from registry.blobs.uploads import Uploads
from registry.extras import is_installed, missing
from registry.live.alone import Alone
from registry.live.counter import Counter
from registry.live.lease import Lease
from registry.live.sharing import Report, Sharing
from registry.operations.stay_alone import note_alone
from registry.storage.database import Database
from registry.storage.file_modes import refuse_foreign

logger = logging.getLogger(__name__)


def warn_of_unconfirmed(hosts: tuple[str, ...]) -> None:
    """Log that these hosts may not know of a change."""
    logger.warning("a change is answered that these hosts may not know of: %s", ", ".join(hosts))


@dataclass(frozen=True, slots=True)
class Stores:
    """Enough to prepare a data directory, without what serves or loads models."""

    settings: Settings
    database: Database
    blobs: BlobStore
    uploads: Uploads | SharedUploads
    counter: Counter
    sharing: Sharing | None
    """None where this host is the only one of its database."""
    alone: Alone | None
    """Of a host without a lease, whose database others can reach."""

    @classmethod
    def of(cls, settings: Settings, report: Report) -> "Stores":
        """Read and start nothing. ``report`` is told of hosts that a change has not reached.

        Raises ValueError for a database URL that is not supported or an extra that is missing,
        NetworkFileSystem, StorageFull, DataDirectoryRefused.
        """
        refuse_foreign(settings.data)
        if settings.traces and not is_installed("otel"):
            raise ValueError(missing("otel", "HOTSWAP_TRACES"))
        # Before anything is created in the data directory, which may be unsuitable for a database.
        database = Database(settings.effective_database_url)
        blobs = blob_store(settings, database)
        uploads = upload_store(blobs, database, settings.max_upload_bytes)
        counter = Counter(settings.run_folder / "counter")
        database.committed = counter.bump
        sharing = Sharing.build(
            database,
            counter,
            host=settings.effective_host_name,
            seconds=settings.lease_seconds,
            without=settings.without_lease,
            report=report,
        )
        alone = None if sharing is not None else _alone(settings, database, counter)
        return cls(settings, database, blobs, uploads, counter, sharing, alone)

    def close(self) -> None:
        """Close what ``of`` opened."""
        if self.sharing is not None:
            self.sharing.changes.close()
        self.database.dispose()
        self.counter.close()


def _alone(settings: Settings, database: Database, counter: Counter) -> Alone | None:
    if database.is_sqlite:
        return None
    note = partial(
        note_alone,
        database,
        settings.effective_host_name,
        release=RELEASE,
        workers=settings.worker_count,
    )
    return Alone(note, Lease(counter))
