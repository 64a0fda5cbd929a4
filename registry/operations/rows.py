"""Finding and locking rows within a write transaction."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.errors import ModelArchived, ModelNotFound, NameTaken
from registry.names import check_model_name, name_key
from registry.storage.history import record
from registry.storage.inserts import insert_into
from registry.storage.locks import FOR_CHANGE
from registry.storage.tables import WITHOUT_RELATED, ModelRow, utc_now


def locked_model(session: Session, name: str) -> ModelRow:
    """The model, locked until the transaction ends: concurrent changes wait here.

    Raises NameMalformed, ModelNotFound.
    """
    row = session.get(
        ModelRow,
        check_model_name(name),
        options=WITHOUT_RELATED,
        with_for_update=FOR_CHANGE,
        populate_existing=True,
    )
    if row is None:
        raise ModelNotFound(name)
    return row


def locked_active_model(session: Session, name: str) -> ModelRow:
    """As ``locked_model``. Also raises ModelArchived."""
    row = locked_model(session, name)
    if row.archived_at is not None:
        raise ModelArchived(name)
    return row


def insert_model(
    session: Session, name: str, actor: str, via: str | None = None
) -> tuple[ModelRow, bool]:
    """The locked model of that name, and whether it was inserted here.

    Of two transactions that insert it at the same time, one does and the other finds it.

    Raises NameMalformed, NameTaken where another spelling of the name is in use.
    """
    check_model_name(name)
    now = utc_now()
    made = session.execute(
        insert_into(session, ModelRow)
        .values(
            name=name,
            name_key=name_key(name),
            description="",
            last_number=0,
            generation=0,
            created_at=now,
            updated_at=now,
            created_by=actor,
        )
        .on_conflict_do_nothing()
        .returning(ModelRow.name)
    ).scalar_one_or_none()
    if made is not None:
        record(session, "model_created", actor=actor, model=name, via=via)
    holder = session.scalar(select(ModelRow.name).where(ModelRow.name_key == name_key(name)))
    if holder is not None and holder != name:
        raise NameTaken(name, holder)
    return locked_model(session, name), made is not None
