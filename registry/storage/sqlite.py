"""Connections to SQLite: the library, its journal, and the order of writers."""

import sqlite3
import threading
import time
from types import ModuleType
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.exc import OperationalError

from registry.stored_text import json_text

WRITING = "hotswap_write"
"""An execution option of SQLAlchemy: transactions take the write lock when they begin."""

# Result codes, https://www.sqlite.org/rescode.html; extended codes keep them in the low byte.
BUSY, READONLY = 5, 8
_RETRY_SECONDS = 0.002


def sqlite_module() -> ModuleType:
    """The newest SQLite available: pysqlite3 has a newer one than most builds of Python."""
    try:
        import pysqlite3
    except ImportError:
        return sqlite3
    module: ModuleType = pysqlite3
    return module


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Whether this version of SQLite has the fix for the WAL-reset bug (3.51.3, 3.50.7, 3.44.6).

    Source: https://www.sqlite.org/wal.html#walresetbug
    """
    return (
        version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    )


def sqlite_engine(url: URL, busy_timeout: float) -> Engine:
    """An engine for the database at ``url``, which waits ``busy_timeout`` seconds for a lock."""
    module, turn = sqlite_module(), threading.Lock()
    engine = create_engine(
        url,
        module=module,
        connect_args={"timeout": busy_timeout, "check_same_thread": False},
        json_serializer=json_text,
        hide_parameters=True,
        pool_size=8,
        max_overflow=24,
        pool_timeout=busy_timeout,
    )
    # A transaction commits by removing the rollback journal, and FULL does not sync that removal:
    # after a power cut the journal could be back, and undo an acknowledged write.
    # Source: https://www.sqlite.org/pragma.html#pragma_synchronous
    journal, synchronous = (
        ("WAL", "FULL") if wal_is_safe(module.sqlite_version_info) else ("DELETE", "EXTRA")
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        # Without this, the driver would begin deferred transactions itself.
        connection.isolation_level = None
        _set_journal(connection, module, journal, busy_timeout)
        for pragma in (f"synchronous = {synchronous}", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "handle_error")
    def let_go(context: ExceptionContext) -> None:
        # SQLite opens a file that it cannot write as read-only. In the pool, such a connection
        # would refuse writes after the fault of the disk is gone.
        if result_code(context.original_exception) == READONLY:
            context.is_disconnect = True
            if context.connection is not None:
                # SQLite closes it only after Python has released its statements, and it would hold
                # its lock until then.
                context.connection.connection.rollback()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(WRITING, False):
            _begin_immediate(connection, turn, busy_timeout)
        else:
            connection.exec_driver_sql("BEGIN")

    return engine


def _begin_immediate(connection: Connection, turn: threading.Lock, patience: float) -> None:
    """Begin a transaction that holds the write lock; wait ``patience`` seconds for it.

    SQLite's own wait pauses longer after each attempt, up to 100 ms. With several writers, the one
    that has waited longest would lose the lock to newer ones until its timeout. So each process
    tries at a constant rate, and its threads take turns.
    """
    deadline = time.monotonic() + patience
    driver: Any = connection.connection.driver_connection
    in_turn = turn.acquire(timeout=patience)
    try:
        driver.execute("PRAGMA busy_timeout = 0")
        try:
            while not _begun(connection, deadline):
                time.sleep(_RETRY_SECONDS)
        finally:
            if not connection.invalidated:  # or the error that closed it would be lost
                driver.execute(f"PRAGMA busy_timeout = {round(patience * 1000)}")
    finally:
        if in_turn:
            turn.release()


def _begun(connection: Connection, deadline: float) -> bool:
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except OperationalError as error:
        if result_code(error.orig) != BUSY or time.monotonic() >= deadline:
            raise
        return False
    return True


def result_code(error: BaseException | None) -> int | None:
    """The result code of an error of SQLite; None for other errors."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def _set_journal(connection: Any, module: Any, journal: str, patience: float) -> None:
    """A new database gets its journal, for which SQLite waits for nobody, whatever its time-out:
    several workers may open the file at the same moment."""
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute(f"PRAGMA journal_mode = {journal}")
        except module.OperationalError as error:
            if result_code(error) != BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
