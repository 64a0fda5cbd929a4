"""Read every blob and find those whose bytes do not match their SHA-256.

Damaged blobs are put aside. Versions in memory continue to serve; other versions that need such a
blob are refused until its bytes are uploaded again.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select

from registry.blobs.store import BlobStore
from registry.errors import BlobDamaged, BlobMissing, StorageUnavailable
from registry.reading.blob_uses import HOLDOUT, BlobUse, blob_uses, used_digests
from registry.reading.splits import answering
from registry.storage.database import Database

State = Literal["intact", "damaged", "missing", "unreadable"]

Progress = Callable[[int, int, int], None]
"""Called after each blob with the number read, the total, and the bytes of this one (0 if it is not
intact). May sleep, to leave the disk to other processes."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A blob whose bytes are lost, and what uses it; nothing: it was garbage."""

    digest: str
    state: State
    uses: tuple[BlobUse, ...]
    aliases: tuple[str, ...]
    """``model@alias`` of each alias that points at one of these versions, or is split over it."""


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """The number of intact blobs, the sum of their bytes, and the lost blobs by digest."""

    intact: int
    size: int
    losses: tuple[Loss, ...]


def scrub(database: Database, blobs: BlobStore, *, progress: Progress | None = None) -> Scrubbed:
    """Hash every blob that is stored or in use; put the damaged ones aside.

    Uploads and removals may run at the same time; later uploads are not read.

    Raises DatabaseBusy, DatabaseUnavailable.
    """
    with database.read() as session:
        used = used_digests(session)
    digests = sorted(used.union(blobs.digests()))
    intact = total = 0
    lost: dict[str, State] = {}
    for done, digest in enumerate(digests, start=1):
        state, size = _read(blobs, digest)
        if state == "intact":
            intact, total = intact + 1, total + size
        elif digest in used or state != "missing":  # else gc removed it meanwhile
            lost[digest] = state
        if progress is not None:
            progress(done, len(digests), size)
    return Scrubbed(intact, total, tuple(_losses(database, lost)))


def _losses(database: Database, lost: Mapping[str, State]) -> Iterator[Loss]:
    """The lost blobs with what uses them. Looked up at the end, since most registries have lost
    nothing, and the uses of all blobs take more memory than everything else."""
    if not lost:
        return
    with database.read() as session:
        used_by = blob_uses(session, lost)
        pointing: dict[tuple[str, int], list[str]] = {}
        live = answering().c
        query = select(live.model, live.alias, live.number).order_by(live.model, live.alias)
        for model, alias, number in session.execute(query):
            pointing.setdefault((model, number), []).append(f"{model}@{alias}")
    for digest, state in lost.items():
        uses = tuple(used_by.get(digest, ()))
        versions = dict.fromkeys((use.model, use.number) for use in uses if use.role != HOLDOUT)
        aliases = tuple(name for key in versions for name in pointing.get(key, ()))
        yield Loss(digest, state, uses, aliases)


def _read(blobs: BlobStore, digest: str) -> tuple[State, int]:
    try:
        return "intact", blobs.check(digest)
    except BlobDamaged:
        return "damaged", 0
    except BlobMissing:
        return "missing", 0
    except StorageUnavailable:
        return "unreadable", 0
