"""Has every live worker load a version before an alias may point at it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from registry.blobs.store import BlobStore
from registry.engines.loading import read_forms
from registry.engines.served_version import ServedVersion
from registry.errors import BlobMissing, BlobUnavailable, VersionNotLoadable, VersionUnavailable
from registry.hosts.changes import HostChanges, PreparedPromotion
from registry.live.fleet import Fleet
from registry.live.pool import Pool


class Preparer:
    """Prepares versions in the workers of ``fleet`` and in the ``pool`` of this process.

    Without a pool this process loads nothing, so a worker has to.
    """

    def __init__(self, blobs: BlobStore, fleet: Fleet, pool: Pool | None) -> None:
        self._blobs = blobs
        self._fleet = fleet
        self._pool = pool

    @contextmanager
    def prepared(self, version: ServedVersion) -> Iterator[None]:
        """Have every live worker load and warm the version, and keep it until the block ends.

        Raises VersionNotLoadable, and the other Unavailable errors.
        """
        with ExitStack() as held:
            try:
                self._check_blobs(version)
                faults = held.enter_context(
                    self._fleet.prepared(
                        version.model, version.number, needs_worker=self._pool is None
                    )
                )
                if faults:
                    why = " ".join(sorted(set(faults)))
                    raise VersionNotLoadable(version.model, version.number, why)
                if self._pool is not None:
                    held.enter_context(self._pool.holding(version))
            except VersionUnavailable as error:
                raise VersionNotLoadable(version.model, version.number, error.why) from error
            except BlobUnavailable as error:
                raise VersionNotLoadable(version.model, version.number, error.detail) from error
            yield

    def _check_blobs(self, version: ServedVersion) -> None:
        """Verify the blobs that a worker reads, even where the version is in memory already: the
        next worker that starts must be able to load it. The others only have to exist: verifying a
        large artifact takes longer than all other steps, and is left to the scrub.

        Raises BlobUnavailable.
        """
        read = {version.compiled[form] for form in read_forms(version.compiled)}
        for digest in read or {version.sha256}:
            self._blobs.open(digest).close()
        for digest in (version.sha256, *version.compiled.values()):
            if not self._blobs.holds(digest):
                raise BlobMissing(digest)


class SharedPreparer:
    """Prepares versions in the workers of this host, by ``own``, and in those of the others.

    The other hosts load a version after this one, so one that no host can load ends no worker
    elsewhere.
    """

    def __init__(self, own: Preparer, changes: HostChanges) -> None:
        self._own = own
        self._changes = changes

    @contextmanager
    def prepared(self, version: ServedVersion) -> Iterator[PreparedPromotion]:
        """As ``Preparer.prepared``, for every live host. Raises VersionNotLoadable, which names the
        host, and the other Unavailable errors."""
        with (
            self._own.prepared(version),
            self._changes.prepared(version.model, version.number) as promotion,
        ):
            yield promotion
