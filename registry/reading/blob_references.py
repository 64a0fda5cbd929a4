"""Which blobs the database points at, and for which versions and holdouts.

Every version counts, the archived ones too: their artifacts stay readable. So does every holdout
that ever was in use: the figures in the history were measured on it.
"""

from collections import defaultdict
from collections.abc import Container, Iterator
from dataclasses import dataclass

from sqlalchemy import Text, cast, or_, select
from sqlalchemy.orm import Session

from registry.storage.tables import HoldoutRow, VersionRow


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """One use of a blob: by which version, and as what (``artifact`` or a compiled form's name).

    In the role ``holdout`` the number is that of a holdout.
    """

    model: str
    number: int
    role: str

    @property
    def owner(self) -> str:
        """What the bytes belong to, for people: ``house/3``, or ``house/holdout``."""
        return f"{self.model}/{HOLDOUT if self.role == HOLDOUT else self.number}"


ARTIFACT = "artifact"
HOLDOUT = "holdout"
STREAMED = {"yield_per": 1000}
"""Options of a statement that goes through all versions: rows are read as they are wanted."""


def blob_references(
    session: Session, wanted: Container[str] | None = None
) -> dict[str, list[Reference]]:
    """Each SHA-256 that a row points at, with its uses in order; of those ``wanted``, if given."""
    references: dict[str, list[Reference]] = defaultdict(list)
    for digest, reference in _references(session):
        if wanted is None or digest in wanted:
            references[digest].append(reference)
    return dict(references)


def _references(session: Session) -> Iterator[tuple[str, Reference]]:
    columns = select(
        VersionRow.model, VersionRow.number, VersionRow.sha256, VersionRow.compiled
    ).order_by(VersionRow.model, VersionRow.number)
    for model, number, sha256, compiled in session.execute(columns.execution_options(**STREAMED)):
        yield sha256, Reference(model, number, ARTIFACT)
        for role, digest in sorted(compiled.items()):
            yield digest, Reference(model, number, role)
    tables = select(HoldoutRow.model, HoldoutRow.number, HoldoutRow.sha256).order_by(
        HoldoutRow.model, HoldoutRow.number
    )
    for model, number, sha256 in session.execute(tables):
        yield sha256, Reference(model, number, HOLDOUT)


def referenced_digests(session: Session, prefix: str = "") -> set[str]:
    """Each SHA-256 that a row points at; at least those that begin with ``prefix``."""
    rows = select(VersionRow.sha256, VersionRow.compiled)
    if prefix:
        # The database looks through the text of the JSON, in which a digest follows a quote: a
        # tenth of the time that it takes to read all of it here.
        held = cast(VersionRow.compiled, Text).contains(f'"{prefix}')
        rows = rows.where(or_(VersionRow.sha256.startswith(prefix), held))
    digests: set[str] = set()
    for sha256, compiled in session.execute(rows.execution_options(**STREAMED)):
        digests.add(sha256)
        digests.update(compiled.values())
    tables = select(HoldoutRow.sha256).where(HoldoutRow.sha256.startswith(prefix))
    digests.update(session.scalars(tables))
    return digests
