"""Inserts of rows that another transaction may have inserted."""

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from registry.storage.tables import Base


def insert_into(session: Session, table: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """An insert that accepts ``on_conflict_do_nothing`` and ``on_conflict_do_update``, which each
    database has by itself."""
    kind: Any = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    insert: postgresql.Insert | sqlite.Insert = kind.insert(table)
    return insert
