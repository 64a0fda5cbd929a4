"""Measure what the stored files take on the disk, by what they are for, and note the outcome.

The note is a file of the run folder, not a row: each host measures its own disk.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
from sqlalchemy import select

from registry.blobs.store import BlobStore
from registry.live.housekeeping import Pause
from registry.reading.blob_uses import ARTIFACT, FILES, TRAINING_ROWS, version_blobs
from registry.storage.database import Database
from registry.storage.durable import write_whole
from registry.storage.tables import HoldoutRow, utc_now

EVERY = timedelta(minutes=10)
_NOTE = "disk-use"
_PART = 200

Kind = Literal["artifacts", "compiled", "data"]
_KINDS: Mapping[str, Kind] = {ARTIFACT: "artifacts", FILES: "artifacts", TRAINING_ROWS: "data"}
"""By the role of a blob; other roles are names of compiled forms."""


class DiskUse(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of files at the time ``measured_at``. Each file counts once, whatever uses it."""

    measured_at: datetime
    artifacts: int = 0
    """Uploaded models, with the other files of their directories."""
    compiled: int = 0
    """The compiled forms of models."""
    data: int = 0
    """Holdouts, and the hashes of training rows."""
    unused: int = 0
    """What nothing uses any more; ``hotswap gc`` removes it."""
    incoming: int = 0
    """Uploads in progress, what interrupted ones left, and directories of MLflow's clients."""
    damaged: int = 0
    """Files that no longer had the content of their digest."""
    cache: int = 0
    """Copies on this host's disk of what is in a bucket; the bucket's bytes are those above."""


def last_disk_use(run: Path) -> DiskUse | None:
    """The last measurement of this host; None if there is none."""
    try:
        return msgspec.json.decode((run / _NOTE).read_bytes(), type=DiskUse)
    except (OSError, msgspec.DecodeError):
        return None


def measure_disk_if_due(
    database: Database, blobs: BlobStore, run: Path, pause: Pause, *, part: int = _PART
) -> None:
    """Measure and note the use of the disk if the last time was ten minutes ago.

    Reads some files and ``part`` versions at a time, and calls ``pause`` in between, so that
    requests are not delayed.

    Raises DatabaseBusy, DatabaseUnavailable, StorageUnavailable, OSError.
    """
    last, now = last_disk_use(run), utc_now()
    if last is not None and timedelta(0) <= now - last.measured_at < EVERY:
        return
    used: Counter[str] = Counter()
    stored: dict[str, int] = {}
    # Files before rows: what is uploaded meanwhile does not count as unused.
    for files in blobs.parts():
        if files.kind == "blobs":
            stored.update(files.sizes)
        else:
            used[files.kind] += sum(files.sizes.values())
        if not pause():
            return
    for digests in _used(database, part):
        for kind, digest in digests:
            used[kind] += stored.pop(digest, 0)
        if not pause():
            return
    used["unused"] = sum(stored.values())
    write_whole(run / _NOTE, msgspec.json.encode(DiskUse(measured_at=now, **used)))


def _used(database: Database, most: int) -> Iterator[list[tuple[Kind, str]]]:
    """The digests that versions and holdouts use, those of at most ``most`` versions at a time.

    A transaction for each part: a long one would keep SQLite from shortening its log.
    """
    last = None
    while True:
        with database.read() as session:
            versions = list(version_blobs(session, last, most))
        yield [
            (_KINDS.get(role, "compiled"), digest)
            for version in versions
            for role, digest in version.blobs
        ]
        if len(versions) < most:
            break
        last = versions[-1].model, versions[-1].number
    with database.read() as session:
        yield [("data", digest) for digest in session.scalars(select(HoldoutRow.sha256))]
