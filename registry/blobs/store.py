"""What a blob store does, wherever it keeps its bytes."""

from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self


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

        When this returns they survive a power cut. Raises StorageFull or StorageUnavailable.
        """

    def keep_beside(self, content: bytes) -> str:
        """Make ``content``, which was derived from these bytes, durable in the same store.

        Its digest. Raises StorageFull or StorageUnavailable.
        """

    def close(self) -> None:
        """Discard the bytes unless they were kept."""

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

    def sweep(self) -> int:
        """Remove what interrupted uploads left and return how many there were."""
