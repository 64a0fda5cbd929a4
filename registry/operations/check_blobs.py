"""Check that a host has the artifacts that the other hosts of its database have."""

import logging

from sqlalchemy import select

from registry.blobs.store import BlobStore
from registry.errors import BlobsElsewhere, BucketMissing, BucketUnavailable
from registry.storage.database import Database
from registry.storage.tables import VersionRow

logger = logging.getLogger(__name__)

_LOOKED_FOR = 3
"""Of the lowest and of the highest digests each, which an index has: some artifacts may be lost."""


def check_blobs(database: Database, blobs: BlobStore, place: str) -> None:
    """Look for some artifacts of ``database`` in ``blobs``, which people know as ``place``.

    Where the place cannot be reached, that is only logged: a host starts with what it has copies
    of.

    Raises BlobsElsewhere where there are artifacts, and none of those that were looked for is
    there; the Unavailable errors of the database.
    """
    with database.read() as session:
        digest = VersionRow.sha256
        ends = (digest, digest.desc())
        parts = [session.scalars(select(digest).order_by(end).limit(_LOOKED_FOR)) for end in ends]
        digests = {found for part in parts for found in part}
    try:
        if digests and not any(map(blobs.holds, digests)):
            raise BlobsElsewhere(place, len(digests))
    except BucketMissing as error:
        raise BlobsElsewhere(place, len(digests)) from error
    except BucketUnavailable as error:
        logger.warning("whether the artifacts are in %s is unknown: %s", place, error.detail)
