"""The versions that may be used, by number."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.reading.queries import covered_models
from registry.storage.tables import ModelRow, VersionRow
from registry.tokens import Grant


def ready_numbers(session: Session, model: str) -> list[int]:
    """The numbers of the ready versions of ``model``, ascending."""
    query = select(VersionRow.number).where(VersionRow.model == model, VersionRow.status == "ready")
    return list(session.scalars(query.order_by(VersionRow.number)))


def ready_keys(session: Session, grant: Grant) -> list[tuple[str, int]]:
    """Model and number of each ready version of the models that ``grant`` covers, in order."""
    query = (
        select(VersionRow.model, VersionRow.number)
        .join(ModelRow, ModelRow.name == VersionRow.model)
        .where(VersionRow.status == "ready", covered_models(grant))
        .order_by(VersionRow.model, VersionRow.number)
    )
    return [(model, number) for model, number in session.execute(query)]
