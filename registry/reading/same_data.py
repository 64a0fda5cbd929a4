"""Versions that were trained on the same data, by the hash in their lineage."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.storage.tables import ModelRow, VersionRow

NEWEST_SEARCHED = 1000
"""Versions whose lineage is read: of a model that has more, the newest ones."""


def trained_on(session: Session, but: VersionRow, sha256: str) -> list[tuple[int, str]]:
    """Number and kind of the other versions of the model that were trained on the data with this
    hash, newest first."""
    last = (
        select(ModelRow.last_number - NEWEST_SEARCHED)
        .where(ModelRow.name == but.model)
        .scalar_subquery()
    )
    query = (
        select(VersionRow.number, VersionRow.kind)
        .where(
            VersionRow.model == but.model,
            VersionRow.number > last,
            VersionRow.number != but.number,
            VersionRow.lineage["data_sha256"].as_string() == sha256,
        )
        .order_by(VersionRow.number.desc())
    )
    return [(row[0], row[1]) for row in session.execute(query)]
