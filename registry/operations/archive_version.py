"""Archive a version. It stays readable; its number is not used again."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.errors import VersionHasAlias
from registry.operations.rows import locked_model
from registry.reading.queries import find_version
from registry.storage.database import Database
from registry.storage.history import record
from registry.storage.rollout_tables import RolloutRow
from registry.storage.split_tables import AliasArmRow
from registry.storage.tables import AliasRow, utc_now


def archive_version(
    database: Database, model: str, reference: str, *, actor: str, via: str | None = None
) -> None:
    """Archive the version; nothing if it is archived. ``via``: as for ``record``.

    Raises ModelNotFound, VersionNotFound, or VersionHasAlias while an alias points at it, is split
    over it, or is rolled back to it if a rollout fails.
    """
    with database.write(confirm=True) as session:
        row = locked_model(session, model)
        version = find_version(session, model, reference)
        aliases = _aliases(session, model, version.number)
        if aliases:
            raise VersionHasAlias(model, version.number, aliases)
        if version.archived_at is not None:
            return
        version.status, version.archived_at = "archived", utc_now()
        row.updated_at = version.archived_at
        record(session, "archived", actor=actor, model=model, from_version=version.number, via=via)


def _aliases(session: Session, model: str, number: int) -> list[str]:
    """The aliases that point at the version, those that are split over it, and those which a
    rollout would point at it again if a guard fails."""
    pointing = select(AliasRow.name).where(AliasRow.model == model, AliasRow.number == number)
    split = select(AliasArmRow.alias).where(
        AliasArmRow.model == model, AliasArmRow.number == number
    )
    baking = select(RolloutRow.alias).where(
        RolloutRow.model == model, RolloutRow.champion == number, RolloutRow.ended_at.is_(None)
    )
    return sorted({*session.scalars(pointing), *session.scalars(split), *session.scalars(baking)})
