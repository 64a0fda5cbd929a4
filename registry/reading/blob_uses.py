"""Which blobs the database uses, and for which versions and holdouts.

Archived versions count: their artifacts stay readable. So do replaced holdouts: metrics in the
history were measured on them.
"""

from collections import defaultdict
from collections.abc import Container, Iterator
from dataclasses import dataclass

from sqlalchemy import Text, cast, or_, select, tuple_
from sqlalchemy.orm import Session

from registry.storage.tables import HoldoutRow, VersionRow


@dataclass(frozen=True, slots=True, order=True)
class BlobUse:
    """A version that uses a blob, and its role: ``artifact``, ``training_rows``, ``files`` (of its
    model directory) or the name of a compiled form.

    In the role ``holdout`` the number is that of a holdout.
    """

    model: str
    number: int
    role: str

    @property
    def owner(self) -> str:
        """What the blob belongs to, for people: ``house/3``, or ``house/holdout``."""
        return f"{self.model}/{HOLDOUT if self.role == HOLDOUT else self.number}"


ARTIFACT = "artifact"
TRAINING_ROWS = "training_rows"
FILES = "files"
HOLDOUT = "holdout"
STREAMED = {"yield_per": 1000}
"""Options of a statement that reads all versions: rows are fetched in parts."""


def blob_uses(session: Session, wanted: Container[str] | None = None) -> dict[str, list[BlobUse]]:
    """Each SHA-256 in use, with its uses in order; only those in ``wanted``, if given."""
    uses: dict[str, list[BlobUse]] = defaultdict(list)
    for digest, use in _all_uses(session):
        if wanted is None or digest in wanted:
            uses[digest].append(use)
    return dict(uses)


@dataclass(frozen=True, slots=True)
class VersionBlobs:
    """The digest of each blob that a version uses, with its role."""

    model: str
    number: int
    blobs: tuple[tuple[str, str], ...]


def version_blobs(
    session: Session, after: tuple[str, int] | None = None, most: int | None = None
) -> Iterator[VersionBlobs]:
    """What each version uses, in order; that of at most ``most`` versions after ``after``."""
    query = (
        select(
            VersionRow.model,
            VersionRow.number,
            VersionRow.sha256,
            VersionRow.training_rows_sha256,
            VersionRow.files_sha256,
            VersionRow.compiled,
        )
        .order_by(VersionRow.model, VersionRow.number)
        .limit(most)
    )
    if after is not None:
        query = query.where(tuple_(VersionRow.model, VersionRow.number) > after)
    rows = session.execute(query.execution_options(**STREAMED))
    for model, number, artifact, training_rows, files, compiled in rows:
        own = ((ARTIFACT, artifact), (TRAINING_ROWS, training_rows), (FILES, files))
        used = [(role, digest) for role, digest in own if digest is not None]
        yield VersionBlobs(model, number, (*used, *sorted(compiled.items())))


def _all_uses(session: Session) -> Iterator[tuple[str, BlobUse]]:
    for version in version_blobs(session):
        for role, digest in version.blobs:
            yield digest, BlobUse(version.model, version.number, role)
    tables = select(HoldoutRow.model, HoldoutRow.number, HoldoutRow.sha256).order_by(
        HoldoutRow.model, HoldoutRow.number
    )
    for model, number, sha256 in session.execute(tables):
        yield sha256, BlobUse(model, number, HOLDOUT)


def used_digests(session: Session, prefix: str = "") -> set[str]:
    """The SHA-256 of every blob in use; at least those that begin with ``prefix``."""
    others = (VersionRow.training_rows_sha256, VersionRow.files_sha256)
    rows = select(VersionRow.sha256, VersionRow.compiled, *others)
    if prefix:
        # The database searches the text of the JSON, in which a digest follows a quote: ten times
        # faster than reading all of it here.
        held = cast(VersionRow.compiled, Text).contains(f'"{prefix}')
        own = VersionRow.sha256.startswith(prefix)
        rows = rows.where(or_(own, held, *(each.startswith(prefix) for each in others)))
    digests: set[str] = set()
    for sha256, compiled, *rest in session.execute(rows.execution_options(**STREAMED)):
        digests.add(sha256)
        digests.update(compiled.values())
        digests.update(digest for digest in rest if digest is not None)
    tables = select(HoldoutRow.sha256).where(HoldoutRow.sha256.startswith(prefix))
    digests.update(session.scalars(tables))
    return digests
