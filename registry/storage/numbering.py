"""The numbers that the database gives to new rows of a table.

One that was given is not given again, also when its row was deleted: the history names it.
"""

from sqlalchemy import Table, func, select, table
from sqlalchemy.orm import Session
from sqlalchemy.sql import column

_GIVEN = table("sqlite_sequence", column("name"), column("seq"))
"""Source: https://www.sqlite.org/autoinc.html"""


def last_number(session: Session, numbered: Table) -> int:
    """The last number that the database gave to a row of ``numbered``; 0: none."""
    if (key := numbered.autoincrement_column) is None:
        return 0
    highest = session.scalar(select(func.max(key))) or 0
    if not _is_sqlite(session):
        sequence = func.pg_get_serial_sequence(numbered.name, key.name)
        given = select(func.pg_sequence_last_value(func.to_regclass(sequence)))
    elif _counts(numbered):
        given = select(_GIVEN.c.seq).where(_GIVEN.c.name == numbered.name)
    else:
        return highest
    return max(highest, session.scalar(given) or 0)


def continue_after(session: Session, numbered: Table, last: int) -> None:
    """Have the next row of ``numbered`` get a number above ``last``."""
    key = numbered.autoincrement_column
    if key is None or not last:
        return
    if not _is_sqlite(session):
        sequence = func.pg_get_serial_sequence(numbered.name, key.name)
        session.execute(select(func.setval(func.to_regclass(sequence), last)))
    elif _counts(numbered):
        session.execute(_GIVEN.delete().where(_GIVEN.c.name == numbered.name))
        session.execute(_GIVEN.insert().values(name=numbered.name, seq=last))


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def _counts(numbered: Table) -> bool:
    """Whether SQLite keeps the last number; of other tables it gives the one after the highest."""
    return bool(numbered.dialect_options["sqlite"]["autoincrement"])
