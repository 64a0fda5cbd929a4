"""The interface of a blob store."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Protocol, Self


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Files that interrupted uploads left: their number and their bytes."""

    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Removed:
    """The result of a removal: blobs, their bytes, and unused blobs that were not removed."""

    count: int = 0
    size: int = 0
    young: int = 0
    """Stored too recently."""
    passed_over: int = 0
    """In folders that uploads had locked for too long."""

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(
            self.count + other.count,
            self.size + other.size,
            self.young + other.young,
            self.passed_over + other.passed_over,
        )


@dataclass(frozen=True, slots=True)
class StoredPart:
    """Some of the stored files: the bytes of each by its name, which is a blob's digest."""

    kind: Literal["blobs", "incoming", "damaged", "cache"]
    sizes: dict[str, int]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a bucket has the bytes with this digest, since ``stored_at`` (seconds of the clock of
    this host's uptime).

    ``replaces``: the key of a damaged or missing object, which the row still names.
    """

    digest: str
    key: str
    size: int
    stored_at: float
    replaces: str | None = None


class StagedBlob(Protocol):
    """Bytes that are being received. They belong to the store only once ``keep`` has returned.

    A writable, seekable binary stream; leaving it as a context manager, or closing it, discards
    what was not kept.
    """

    def write(self, chunk: bytes, /) -> int:
        """Add bytes at the end. Raises TooLarge, StorageFull or StorageUnavailable."""

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of the bytes written so far."""

    @property
    def size(self) -> int:
        """Bytes written so far."""

    @property
    def path(self) -> Path:
        """A local file that holds the bytes, for the intake to read."""

    def keep(self) -> str:
        """Make the bytes durable under their digest and return it.

        When this returns they survive a power cut, and until ``close`` no removal of unused blobs
        removes them: write the row that points at them before ``close``.

        Raises StorageFull or StorageUnavailable.
        """

    def keep_as(self, path: Path) -> None:
        """Make the bytes durable as the local file ``path`` instead, replacing one that is there.

        Its folder exists, in the file system of ``BlobStore.uploads``. Raises StorageFull or
        StorageUnavailable.
        """

    @property
    def places(self) -> Sequence[Place]:
        """The places of what was kept. They have to be recorded (``registry.blobs.places``) in the
        transaction whose rows point at the bytes. Empty where the digest alone leads to them."""

    def keep_beside(self, content: bytes | memoryview) -> str:
        """Make ``content``, which was derived from these bytes, durable in the same store.

        Returns its digest. It is protected until ``close``, like these bytes.

        Raises StorageFull or StorageUnavailable.
        """

    def close(self) -> None:
        """Discard the bytes unless they were kept, and end their protection from removal."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class BlobStore(Protocol):
    """Immutable bytes, each found by the SHA-256 of its content."""

    def __hash__(self) -> int:
        """Stores are told apart, as the objects that they are."""

    def stage(self, limit: int) -> StagedBlob:
        """Begin to receive at most ``limit`` bytes. Raises StorageFull or StorageUnavailable."""

    def open(self, digest: str) -> BinaryIO:
        """The bytes, verified against their digest, as a seekable stream at its start.

        Raises BlobMissing, StorageUnavailable, or BlobDamaged after it has moved the damaged bytes
        aside.
        """

    def check(self, digest: str) -> int:
        """Read the stored bytes themselves, no copy of them, and return their number.

        Raises as ``open``.
        """

    def holds(self, digest: str) -> bool:
        """Whether bytes with this digest are stored. They are not read.

        Raises StorageUnavailable.
        """

    def holding(self) -> Callable[[str], bool]:
        """As ``holds``, for the digests of a whole registry: of what is stored now.

        Raises StorageUnavailable.
        """

    @property
    def uploads(self) -> Path:
        """The local folder of files that are not models yet, in the file system of what ``stage``
        receives."""

    def sweep(self, *, dry_run: bool = False) -> Leftovers:
        """Remove, or only count, the files that interrupted uploads left.

        Raises StorageUnavailable.
        """

    def digests(self) -> Iterator[str]:
        """The digest of every stored blob, damaged or not, in order."""

    def parts(self) -> Iterator[StoredPart]:
        """Every stored file with its size, some at a time; uploads in progress and damaged files
        too. Raises StorageUnavailable."""

    def remove_unused(
        self, used: Callable[[str], Collection[str]], kept_before: float, *, dry_run: bool = False
    ) -> Removed:
        """Remove, or only count, the blobs that are not in ``used(prefix)`` and were last kept
        before ``kept_before`` (seconds since the epoch).

        ``used`` is called more than once, each time with a prefix of digests. It must return at
        least every such digest that was referenced by a transaction committed before the call.

        Raises BlobsBusy, StorageUnavailable, and what ``used`` raises.
        """

    def nothing_removed(self) -> AbstractContextManager[None]:
        """A context in which no blob is removed. Raises BlobsBusy, StorageUnavailable."""
