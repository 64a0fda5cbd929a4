"""The tables of a dump that its verification reads, in a temporary SQLite database.

So a backup of a PostgreSQL database is verified without a server.
"""

import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    insert,
)
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from registry.backups.dumps import Programs
from registry.errors import BackupRefused, StorageFull
from registry.storage.database import translated_errors
from registry.storage.host_tables import BlobRow
from registry.storage.tables import EventRow, HistoryHeadRow, HoldoutRow, UtcDateTime, VersionRow

_READ = MetaData()
"""Copies of the tables, without constraints, and of the versions without what can be large."""
Table("alembic_version", _READ, Column("version_num", String))
for _class, _left_out in (
    (EventRow, ()),
    (HistoryHeadRow, ()),
    (HoldoutRow, ()),
    (BlobRow, ()),
    (VersionRow, ("evaluation", "lineage", "params", "environment")),
):
    Table(
        _class.__tablename__,
        _READ,
        *(
            Column(column.name, column.type)
            for column in _class.__table__.columns
            if column.name not in _left_out
        ),
    )

_COPY = re.compile(r'COPY (?:"?\w+"?\.)?"?(\w+)"? \((.*)\) FROM stdin;\n')
_END = "\\.\n"
_ESCAPED = re.compile(r"\\(.)")
_NAMED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_PART = 1000


@contextmanager
def opened_dump(dump: Path, programs: Programs) -> Iterator[Session]:
    """A session on the history, the versions, the holdouts and the keys of blobs of ``dump``.

    Raises BackupDamaged where pg_restore cannot read it, BackupRefused without pg_restore or where
    the folder of temporary files is full.
    """
    with tempfile.TemporaryDirectory(prefix="hotswap-dump-") as folder:
        engine = create_engine(f"sqlite:///{folder}/tables.db", poolclass=NullPool)
        try:
            with (
                translated_errors(),
                programs.script(dump, tuple(_READ.tables)) as lines,
                engine.begin() as connection,
            ):
                _READ.create_all(connection)
                _fill(connection, lines)
        except StorageFull as error:
            raise BackupRefused.no_temporary_space(folder) from error
        with Session(engine) as session:
            yield session


def _fill(connection: Connection, lines: Iterator[str]) -> None:
    for line in lines:
        if (copy := _COPY.fullmatch(line)) is None:
            continue
        table = _READ.tables[copy[1]]
        names = [name.strip().strip('"') for name in copy[2].split(",")]
        rows = (_values(table, names, row) for row in iter(lines.__next__, _END))
        while part := list(islice(rows, _PART)):
            connection.execute(insert(table), part)


def _values(table: Table, names: Iterable[str], text: str) -> dict[str, Any]:
    """The values of a line in the text format of COPY, those of columns of ``table``.

    Source: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.55.9.2
    """
    texts = zip(names, text.rstrip("\n").split("\t"), strict=True)
    return {
        name: None if value == r"\N" else _value(table.columns[name], _unescaped(value))
        for name, value in texts
        if name in table.columns
    }


def _unescaped(value: str) -> str:
    return _ESCAPED.sub(lambda escaped: _NAMED.get(escaped[1], escaped[1]), value)


def _value(column: Column[Any], text: str) -> Any:
    if isinstance(column.type, UtcDateTime):
        return datetime.fromisoformat(text)
    if isinstance(column.type, JSON):
        return json.loads(text)
    return int(text) if isinstance(column.type, Integer) else text
