"""Copy a registry to an empty database, of either kind, and compare every row.

The source is read in one transaction, and nobody else may change it meanwhile. The rows appear in
the target in one transaction, after they were read back: a move that fails or is killed leaves at
most empty tables there, and can be repeated.
"""

import hashlib
import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, delete, func, insert, inspect, select
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from registry.errors import HistoryBroken, MoveRefused
from registry.storage.all_tables import HOST_TABLES, METADATA
from registry.storage.database import Database
from registry.storage.history import BEGINNING, Head, lock_head, verify
from registry.storage.host_tables import HostRow
from registry.storage.numbering import continue_after, last_number
from registry.storage.schema import upgrade
from registry.storage.tables import HistoryHeadRow, ModelRow, TokenRow

_PART = 500
_MOVE_SECONDS = 24 * 3600.0
"""How long a transaction of the move may wait for what the other one does: longer than a move
takes. PostgreSQL ends others after some seconds."""
_MODULUS = 2**256


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved: the number of rows of each table, and the end of the history."""

    rows: Mapping[str, int]
    head: Head


@dataclass(slots=True)
class _Sum:
    """A number of rows and a digest of them that does not depend on their order, since databases
    order texts differently: the sum of the rows' SHA-256 (Bellare and Micciancio, "A new paradigm
    for collision-free hashing", 1997)."""

    count: int = 0
    total: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        text = json.dumps(dict(row), default=_plain).encode()
        self.count += 1
        digest = int.from_bytes(hashlib.sha256(text).digest(), "big")
        self.total = (self.total + digest) % _MODULUS


def move_database(source: Database, target: Database) -> Moved:
    """Copy the registry of ``source`` to ``target``, which has no tables or empty ones.

    Both have the schema of this release afterwards, and ``source`` is otherwise unchanged. Rows
    that concern only running hosts are left behind, and a host that starts during the copy makes it
    void.

    Raises MoveRefused, HistoryBroken where the history of ``source`` does not verify,
    SchemaMismatch, DatabaseBusy, DatabaseUnavailable, StorageFull.
    """
    _check_no_host_runs(source)
    _check_is_empty(target)
    upgrade(target)
    tables = [table for table in METADATA.sorted_tables if table.name not in HOST_TABLES]
    with _unchanged(source) as reading, _writing(target) as writing:
        head = verify(reading)
        for table in reversed(tables):  # the rows with which migrations begin
            writing.execute(delete(table))
        copied = {table: _copy(reading, writing, table) for table in tables}
        for table, expected in copied.items():
            continue_after(writing, table, last_number(reading, table))
            if _sum(writing, table) != expected:
                raise MoveRefused.differs(table.name)
        if verify(writing) != head:
            raise HistoryBroken("The history ends elsewhere after it was copied.", head.seq)
        _check_no_host_runs(source)
    return Moved({table.name: found.count for table, found in copied.items()}, head)


def _check_no_host_runs(source: Database) -> None:
    running = select(HostRow.host).where(HostRow.expires > func.now()).order_by(HostRow.host)
    with source.read() as session:
        if hosts := session.scalars(running).all():
            raise MoveRefused.hosts_run(hosts)


def _check_is_empty(target: Database) -> None:
    with target.read() as session:
        names = set(inspect(session.connection()).get_table_names())
        if not names:
            return
        ours = names.issuperset({"alembic_version", HistoryHeadRow.__tablename__})
        if not ours or not _holds_nothing(session):
            raise MoveRefused.not_empty(target.url.render_as_string())


def _holds_nothing(session: Session) -> bool:
    """Whether nothing has happened in this registry since its tables were made."""
    head = session.get_one(HistoryHeadRow, 1)
    rows = [session.scalar(select(func.count()).select_from(row)) for row in (ModelRow, TokenRow)]
    return head.seq == BEGINNING.seq and not any(rows)


@contextmanager
def _unchanged(source: Database) -> Iterator[Session]:
    """A session that sees one state of ``source``, while nobody can add to its history; on SQLite,
    nobody can change anything."""
    with (
        source.write(announce=False) as locking,
        source.patient(locking, idle_in_transaction_session_timeout=_MOVE_SECONDS),
    ):
        lock_head(locking)
        with source.read() as session:
            yield session


@contextmanager
def _writing(target: Database) -> Iterator[Session]:
    """A write transaction that waits between its statements while rows are read elsewhere."""
    with (
        target.write(announce=False) as session,
        target.patient(session, idle_in_transaction_session_timeout=_MOVE_SECONDS),
    ):
        yield session


def _copy(reading: Session, writing: Session, table: Table) -> _Sum:
    """Insert the rows of ``table``; their sum as they were read. Raises MoveRefused."""
    copied = _Sum()
    with closing(_parts(reading, table)) as parts:
        for part in parts:
            for row in part:
                copied.add(row)
            try:
                writing.execute(insert(table), part)
            except (DataError, IntegrityError) as error:
                raise MoveRefused.unstorable(table.name, f"{str(error.orig).strip()}.") from error
    return copied


def _sum(session: Session, table: Table) -> _Sum:
    found = _Sum()
    with closing(_parts(session, table)) as parts:
        for part in parts:
            for row in part:
                found.add(row)
    return found


def _parts(session: Session, table: Table) -> Generator[list[dict[str, Any]]]:
    with session.execute(select(table), execution_options={"yield_per": _PART}) as rows:
        for part in rows.mappings().partitions():
            yield [dict(row) for row in part]


def _plain(value: object) -> str:
    """A value that JSON does not have, as text."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} is not a type of the tables' columns")
