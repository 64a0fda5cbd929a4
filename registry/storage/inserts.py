"""Inserts of rows that another transaction may have inserted."""

from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from registry.storage.tables import Base

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


def insert_into(session: Session, table: type[Base]) -> "postgresql.Insert | sqlite.Insert":
    """An insert that accepts ``on_conflict_do_nothing`` and ``on_conflict_do_update``, which each
    database has by itself."""
    # Imported here: each of them imports the modules of all drivers of its database.
    if session.get_bind().dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as on_sqlite

        return on_sqlite(table)
    from sqlalchemy.dialects.postgresql import insert as on_postgresql

    return on_postgresql(table)
