"""What a blob store does, wherever it keeps its bytes."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What interrupted uploads left: how many files, and their bytes."""

    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Removed:
    """What a removal did: blobs, their bytes, and what nothing uses but stays for now."""

    count: int = 0
    size: int = 0
    young: int = 0
    """Kept too short a time ago."""
    passed_over: int = 0
    """Beside uploads that did not end in time."""

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(
            self.count + other.count,
            self.size + other.size,
            self.young + other.young,
            self.passed_over + other.passed_over,
        )


class StagedBlob(Protocol):
    """Bytes that are being received. They belong to the store only once ``keep`` has returned.

    A writable, seekable binary stream; leaving it as a context manager, or closing it, discards
    what was not kept.
    """

    def write(self, chunk: bytes, /) -> int:
        """Add bytes at the end. Raises TooLarge, StorageFull or StorageUnavailable."""

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of what was written so far."""

    @property
    def size(self) -> int:
        """Bytes written so far."""

    @property
    def path(self) -> Path:
        """A local file that holds the bytes, for the intake to read."""

    def keep(self) -> str:
        """Make the bytes durable under their digest and return it.

        When this returns they survive a power cut, and until ``close`` no removal of unused blobs
        takes them: write the row that points at them before that.

        Raises StorageFull or StorageUnavailable.
        """

    def keep_beside(self, content: bytes | memoryview) -> str:
        """Make ``content``, which was derived from these bytes, durable in the same store.

        Its digest; held until ``close`` like these bytes' own.

        Raises StorageFull or StorageUnavailable.
        """

    def close(self) -> None:
        """Discard the bytes unless they were kept; what was kept is held no longer."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class BlobStore(Protocol):
    """Immutable bytes, each found by the SHA-256 of its content."""

    def stage(self, limit: int) -> StagedBlob:
        """Begin to receive at most ``limit`` bytes. Raises StorageFull or StorageUnavailable."""

    def open(self, digest: str) -> BinaryIO:
        """The bytes, verified against their digest, as a seekable stream at its start.

        Raises BlobMissing, StorageUnavailable, or BlobDamaged after it has put the damaged bytes
        aside.
        """

    def holds(self, digest: str) -> bool:
        """Whether there are bytes under this digest. They are not read."""

    def sweep(self, *, dry_run: bool = False) -> Leftovers:
        """Remove what interrupted uploads left, or only count it, and say what it was.

        Raises StorageUnavailable.
        """

    def digests(self) -> Iterator[str]:
        """The digest of every blob that is there, damaged or not, in order."""

    def remove_unused(
        self, used: Callable[[str], Collection[str]], kept_before: float, *, dry_run: bool = False
    ) -> Removed:
        """Remove, or only count, the blobs that are not in ``used(prefix)`` and were last kept
        before ``kept_before`` (seconds since the epoch).

        ``used`` is called more than once, with the beginning of the digests that it is asked for.
        It has to give at least every such digest that a transaction referred to that ended before
        the call.

        Raises BlobsBusy, StorageUnavailable, and what ``used`` raises.
        """

    def nothing_removed(self) -> AbstractContextManager[None]:
        """While it is entered no blob is removed. Raises BlobsBusy, StorageUnavailable."""
