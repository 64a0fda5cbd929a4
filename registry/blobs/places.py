"""The rows that say which object of a bucket has the bytes of a digest.

Those of ``blobs`` are written in the transaction whose rows point at the bytes, and never deleted,
as versions are not. Those of ``uploaded_files`` name objects of their own, for a day. So an object
without a row belongs to nothing, unless its upload is still in progress.
"""

import time
from collections.abc import Callable, Collection, Iterable

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from registry.blobs.store import Place
from registry.errors import UploadExpired
from registry.storage.host_tables import BlobRow, UploadedFileRow
from registry.storage.inserts import insert_into

UPLOAD_SECONDS = 12 * 3600.0
"""From the first byte that is sent to the bucket until the row. A removal of unused objects leaves
those that are younger than twice this."""
_MOST = 500
"""Digests in a statement."""


def uptime() -> float:
    """Seconds since this host started, also those in which it was suspended."""
    # Systems other than Linux have one clock for this.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def record_places(
    session: Session,
    places: Iterable[Place],
    *,
    only_known: bool = False,
    clock: Callable[[], float] = uptime,
) -> None:
    """Write the rows of ``places``; ``only_known``: correct those that exist, and add none.

    Raises UploadExpired for bytes that may have been removed as unused meanwhile.
    """
    # In one order, so that uploads of the same bytes do not block each other.
    for place in sorted(set(places)):
        if clock() - place.stored_at > UPLOAD_SECONDS:
            raise UploadExpired(UPLOAD_SECONDS)
        row = {"key": place.key, "size": place.size}
        if not only_known:
            added = insert_into(session, BlobRow).values(sha256=place.digest, **row)
            session.execute(added.on_conflict_do_nothing())
        if place.replaces is not None:
            is_known = (BlobRow.sha256 == place.digest) & (BlobRow.key == place.replaces)
            session.execute(update(BlobRow).where(is_known).values(**row))


def key_of(session: Session, digest: str) -> str | None:
    """The key of the object with the bytes of ``digest``; None where there is none."""
    return session.scalar(select(BlobRow.key).where(BlobRow.sha256 == digest))


def keys_of(session: Session, digests: Iterable[str]) -> dict[str, str]:
    """The keys of those of ``digests`` that have one."""
    wanted = list(digests)
    keys: dict[str, str] = {}
    for start in range(0, len(wanted), _MOST):
        part = wanted[start : start + _MOST]
        rows = session.execute(select(BlobRow.sha256, BlobRow.key).where(BlobRow.sha256.in_(part)))
        keys.update((digest, key) for digest, key in rows)
    return keys


def uploaded_among(session: Session, keys: Collection[str]) -> set[str]:
    """Those of ``keys`` that have a file of a directory, from which a version may be made yet."""
    rows = select(UploadedFileRow.key).where(UploadedFileRow.key.in_(keys))
    return set(session.scalars(rows))


def all_keys(session: Session) -> dict[str, str]:
    """The key of every digest that has one, in the order of digests."""
    rows = session.execute(select(BlobRow.sha256, BlobRow.key).order_by(BlobRow.sha256))
    return {row.sha256: row.key for row in rows}
