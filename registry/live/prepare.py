"""Has every live worker of this host load a version before an alias may point at it."""

from collections.abc import Iterator
from contextlib import contextmanager

from registry.blobs.store import BlobStore
from registry.engines.loading import read_forms
from registry.engines.served_version import ServedVersion
from registry.errors import BlobMissing, VersionNotLoadable
from registry.live.fleet import Fleet
from registry.live.pool import Pool


class Preparer:
    """Prepares versions in the workers of ``fleet`` and in the ``pool`` of this process."""

    def __init__(self, blobs: BlobStore, fleet: Fleet, pool: Pool) -> None:
        self._blobs = blobs
        self._fleet = fleet
        self._pool = pool

    @contextmanager
    def prepared(self, version: ServedVersion) -> Iterator[None]:
        """Have every live worker load and warm the version, and keep it until the block ends.

        The bytes that a worker reads are verified too where it is in memory already: the next one
        that starts must be able to load it. The others have to be there; to verify a large
        artifact takes longer than all the rest, and is left to the scrub.

        Raises VersionNotLoadable, BlobUnavailable.
        """
        read = {version.compiled[form] for form in read_forms(version.compiled)}
        for digest in read or {version.sha256}:
            self._blobs.open(digest).close()
        for digest in (version.sha256, *version.compiled.values()):
            if not self._blobs.holds(digest):
                raise BlobMissing(digest)
        with self._fleet.prepared(version.model, version.number) as faults:
            if faults:
                why = " ".join(sorted(set(faults)))
                raise VersionNotLoadable(version.model, version.number, why)
            with self._pool.holding(version):
                yield
