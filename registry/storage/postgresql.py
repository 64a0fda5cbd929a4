"""Connections to PostgreSQL with timeouts, and a pool that detects an unresponsive server.

There are four timeouts. The server ends a statement, or a wait for a lock, that takes too long, and
a write transaction whose process sends nothing more: a host that was stopped or cut off in it would
keep its locks. TCP closes a connection whose packets are not acknowledged. And this process closes
a connection on which nothing arrived for longer than a statement may take: a proxy may acknowledge
packets that the server never gets.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, select
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from registry.errors import DatabaseUnavailable
from registry.storage.sqlite import WRITING
from registry.stored_text import json_text

T = TypeVar("T")

CONNECTIONS = 24
"""The maximum of one process; fewer than the threads of a worker, so that some are always left for
requests that need no database."""
_KEPT = 8

_GRACE_SECONDS = 1.0
"""Added to the statement timeout: the server's error for the statement has to arrive."""
_UNRESPONSIVE_SECONDS = 1.0
"""A server is unresponsive if all connections waited for it and none got an answer in this time."""
_RETRY_SECONDS = 1.0
"""How often a caller may try an unresponsive server again."""

_TCP = {
    "connect_timeout": "5",
    # A dead connection is found after 10 + 3 * 5 s when idle, and after 10 s when sending.
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""Parameters of libpq; those of the database's URL take precedence. Source:
https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS"""


class Server:
    """Whether the database server responds, as far as this process knows. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last_answer = clock()
        self._lost = False
        self._retry_at = 0.0

    def answered(self) -> None:
        """Note that the server sent something."""
        self._last_answer = self._clock()
        self._lost = False

    def gave_up(self) -> None:
        """Note that a wait for the server ended without an answer."""
        self._lost = True

    def check(self, waiting: int) -> None:
        """Raise if the server is unresponsive, except for one caller each second, who may try.

        ``waiting``: the number of connections in use.

        Raises DatabaseUnavailable.
        """
        now = self._clock()
        if not waiting:
            self._last_answer = now  # no connection waited for it
        unresponsive = waiting >= CONNECTIONS and now - self._last_answer > _UNRESPONSIVE_SECONDS
        if not (self._lost or unresponsive):
            return
        with self._lock:
            if now < self._retry_at:
                raise DatabaseUnavailable
            self._retry_at = now + _RETRY_SECONDS


class WatchedPool(QueuePool):
    """Raises at once while its server is unresponsive, instead of blocking the caller's thread."""

    server: Server

    def _do_get(self) -> ConnectionPoolEntry:
        self.server.check(self.checkedout())
        return super()._do_get()

    def recreate(self) -> QueuePool:
        fresh = super().recreate()
        fresh.server = self.server  # type: ignore[attr-defined]  # it is one of this class
        return fresh


class WatchedConnection(psycopg.Connection[Any]):
    """Closes itself when the server sends nothing for longer than a statement may take."""

    server: Server
    patience: float
    """Seconds."""

    def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> T:
        result = super().wait(self._watched(gen, self.patience), *args, **kwargs)
        self.server.answered()
        return result

    def _watched(self, gen: PQGen[T], patience: float) -> PQGen[T]:
        """As ``gen``, which yields what it waits for and is sent what is ready, or 0 after each
        0.1 s. Raises OperationalError if it is sent only 0 for ``patience`` seconds."""
        until = time.monotonic() + patience
        try:
            state = next(gen)
            while True:
                ready = yield state
                if ready:
                    until = time.monotonic() + patience
                elif time.monotonic() > until:
                    self.server.gave_up()
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"no answer from the server in {patience:g} s")
                state = gen.send(ready)
        except StopIteration as end:
            return cast("T", end.value)


def make_engine(url: URL, *, lock_timeout: float, statement_timeout: float) -> Engine:
    """An engine whose connections have these limits, in seconds."""
    server = Server()
    engine = create_engine(
        url,
        connect_args={name: value for name, value in _TCP.items() if name not in url.query},
        # Stored values must not appear in error messages, which are logged.
        hide_parameters=True,
        json_serializer=json_text,
        poolclass=WatchedPool,
        pool_pre_ping=True,
        pool_size=_KEPT,
        max_overflow=CONNECTIONS - _KEPT,
        pool_timeout=min(lock_timeout, _UNRESPONSIVE_SECONDS),
    )
    cast("WatchedPool", engine.pool).server = server

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: object, _record: object, args: Any, parameters: Any) -> Any:
        try:
            connection = WatchedConnection.connect(*args, **parameters)
        except psycopg.errors.ConnectionTimeout:
            server.gave_up()
            raise
        connection.server, connection.patience = server, statement_timeout + _GRACE_SECONDS
        return connection

    # By default PostgreSQL waits without a limit. In each transaction anew: a pooler may give the
    # next one of this connection to another of the server's, and this one to somebody else.
    usual = {"lock_timeout": lock_timeout, "statement_timeout": statement_timeout}
    reading = _set_local(usual)
    # No longer than others wait for its locks: they then get them in time.
    writing = _set_local({**usual, "idle_in_transaction_session_timeout": lock_timeout})

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        is_writing = connection.get_execution_options().get(WRITING, False)
        connection.exec_driver_sql(writing if is_writing else reading)

    return engine


def _set_local(seconds: Mapping[str, float]) -> str:
    """One message to the server, which takes no snapshot for it."""
    return "; ".join(f"SET LOCAL {name} = {round(limit * 1000)}" for name, limit in seconds.items())


@contextmanager
def limits(connection: Connection, **seconds: float) -> Iterator[None]:
    """Replace timeouts of the open transaction in this block."""
    driver = cast("WatchedConnection", connection.connection.driver_connection)
    patience = driver.patience
    usual = {name: connection.scalar(select(func.current_setting(name))) for name in seconds}
    wanted = {name: f"{round(limit * 1000)}ms" for name, limit in seconds.items()}
    try:
        driver.patience = max(patience, *(limit + _GRACE_SECONDS for limit in seconds.values()))
        for name, value in wanted.items():
            connection.execute(select(func.set_config(name, value, True)))
        yield
        for name, before in usual.items():
            connection.execute(select(func.set_config(name, before, True)))
    finally:
        driver.patience = patience
