"""Read every blob and find those that are no longer what their name says.

What is damaged is put aside, so that nothing more than its loss can come of it. Versions that are
in memory serve on; the others that it belongs to are refused until their bytes are back.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select

from registry.blobs.store import BlobStore
from registry.errors import BlobDamaged, BlobMissing, StorageUnavailable
from registry.reading.blob_references import HOLDOUT, Reference, blob_references, referenced_digests
from registry.storage.database import Database
from registry.storage.tables import AliasRow

State = Literal["intact", "damaged", "missing", "unreadable"]

Progress = Callable[[int, int, int], None]
"""Called after each blob with how many were read, how many there are, and this one's bytes (0 where
it is not intact). May sleep, to leave the disk to others."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A blob whose bytes are lost, and the versions that it belongs to; none: it was garbage."""

    digest: str
    state: State
    uses: tuple[Reference, ...]
    aliases: tuple[str, ...]
    """``model@alias`` of each alias that points at one of these versions."""


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """How many blobs were read and found intact, their bytes, and what is lost, by digest."""

    intact: int
    size: int
    losses: tuple[Loss, ...]


def scrub(database: Database, blobs: BlobStore, *, progress: Progress | None = None) -> Scrubbed:
    """Hash every blob that is stored or that a version points at; put the damaged ones aside.

    Uploads and removals may go on meanwhile; what is uploaded after the beginning is not looked at.

    Raises DatabaseBusy, DatabaseUnavailable.
    """
    with database.read() as session:
        referenced = referenced_digests(session)
    digests = sorted(referenced.union(blobs.digests()))
    intact = total = 0
    lost: dict[str, State] = {}
    for done, digest in enumerate(digests, start=1):
        state, size = _look_at(blobs, digest)
        if state == "intact":
            intact, total = intact + 1, total + size
        elif digest in referenced or state != "missing":  # else gc has removed it meanwhile
            lost[digest] = state
        if progress is not None:
            progress(done, len(digests), size)
    return Scrubbed(intact, total, tuple(_losses(database, lost)))


def _losses(database: Database, lost: Mapping[str, State]) -> Iterator[Loss]:
    """What is lost, with whom it belongs to. Looked up at the end, since most registries have lost
    nothing, and the uses of all blobs take more memory than all the rest."""
    if not lost:
        return
    with database.read() as session:
        references = blob_references(session, lost)
        pointing: dict[tuple[str, int], list[str]] = {}
        for alias in session.scalars(select(AliasRow).order_by(AliasRow.model, AliasRow.name)):
            pointing.setdefault((alias.model, alias.number), []).append(
                f"{alias.model}@{alias.name}"
            )
    for digest, state in lost.items():
        uses = tuple(references.get(digest, ()))
        versions = dict.fromkeys((use.model, use.number) for use in uses if use.role != HOLDOUT)
        aliases = tuple(name for key in versions for name in pointing.get(key, ()))
        yield Loss(digest, state, uses, aliases)


def _look_at(blobs: BlobStore, digest: str) -> tuple[State, int]:
    try:
        with blobs.open(digest) as file:
            return "intact", file.seek(0, 2)
    except BlobDamaged:
        return "damaged", 0
    except BlobMissing:
        return "missing", 0
    except StorageUnavailable:
        return "unreadable", 0
