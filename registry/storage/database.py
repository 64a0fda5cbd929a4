"""The one way to open a transaction, on SQLite or PostgreSQL."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from registry.errors import (
    DatabaseBusy,
    DatabaseReadOnly,
    DatabaseUnavailable,
    RegistryError,
    SchemaMismatch,
    StorageFull,
)
from registry.extras import is_installed, missing
from registry.storage.file_systems import refuse_network_file_system
from registry.storage.sqlite import (
    BUSY,
    READONLY,
    WRITING,
    result_code,
    sqlite_engine,
    sqlite_module,
)

BUSY_TIMEOUT_SECONDS = 5.0
STATEMENT_TIMEOUT_SECONDS = 10.0

# SQLite's result codes, https://www.sqlite.org/rescode.html
_SQLITE_WAITED = frozenset({BUSY, 6, 15})  # and LOCKED, and PROTOCOL: no place to read from
_SQLITE_FULL, _SQLITE_CORRUPT, _SQLITE_NOT_A_DATABASE = 13, 11, 26
_SQLITE_GONE = frozenset({READONLY, 10, 14})  # and IOERR, CANTOPEN
# PostgreSQL's, https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES: Mapping[str, Callable[[], RegistryError]] = {
    **dict.fromkeys(("40001", "40P01", "55P03", "57014"), DatabaseBusy),
    "53100": StorageFull,
    "25006": DatabaseReadOnly,
    "25P03": DatabaseUnavailable,  # a transaction that its process has not continued in time
}


class Database:
    """One database and its connections.

    ``url`` is an SQLAlchemy URL of SQLite or of PostgreSQL (psycopg). Nothing is opened before
    the first transaction. ``committed`` announces a change: it is called after each commit of a
    write transaction, before ``write`` returns. ``confirmed`` then waits until the change holds on
    the other hosts, where the caller of ``write`` requires that. ``busy_timeout``: seconds to wait
    for a lock; ``statement_timeout``: seconds that one statement may take on PostgreSQL.

    Raises ValueError for another kind of database and for PostgreSQL without psycopg,
    NetworkFileSystem for SQLite on one.
    """

    def __init__(
        self,
        url: str,
        *,
        busy_timeout: float = BUSY_TIMEOUT_SECONDS,
        statement_timeout: float = STATEMENT_TIMEOUT_SECONDS,
        committed: Callable[[], None] = lambda: None,
        confirmed: Callable[[], None] = lambda: None,
    ) -> None:
        self.committed = committed
        self.confirmed = confirmed
        self.url = _with_driver(make_url(url))
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite and (file := _file_of(self.url)) is not None:
            refuse_network_file_system(file)
        self.engine = (
            sqlite_engine(self.url, busy_timeout)
            if self.is_sqlite
            else _postgresql(self.url, busy_timeout, statement_timeout)
        )
        self._writing_engine = self.engine.execution_options(**{WRITING: True})
        # SQLite's readers see one state by default; PostgreSQL's need this isolation level.
        self.reading_engine = (
            self.engine
            if self.is_sqlite
            else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database and writes nothing.

        Raises DatabaseBusy or DatabaseUnavailable.
        """
        with translated_errors(), Session(self.reading_engine) as session:
            yield session

    @contextmanager
    def write(self, *, announce: bool = True, confirm: bool = False) -> Iterator[Session]:
        """A write transaction: committed at the end of the block, rolled back by an exception.

        ``announce`` False: it changes nothing that workers keep in memory. ``confirm``: its caller
        is told what is live, or which tokens are valid; so it holds on all hosts afterwards.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE): a transaction that upgrades
        its lock later cannot wait, and fails instead.

        Raises DatabaseBusy, DatabaseUnavailable, DatabaseReadOnly or StorageFull.
        """
        with (
            translated_errors(),
            Session(self._writing_engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session
        if announce:
            self.committed()
        if confirm:
            self.confirmed()

    def confirm_again(self) -> None:
        """Announce and confirm what is committed already, before it is stated again: the process
        that committed it may have died before it announced it, or may still wait for other hosts.
        """
        self.committed()
        self.confirmed()

    @contextmanager
    def confirming(self, *errors: type[RegistryError]) -> Iterator[None]:
        """As ``confirm_again`` before one of ``errors`` leaves the block: they state what an
        earlier request may have changed, such as that an alias does not exist."""
        try:
            yield
        except errors:
            self.confirm_again()
            raise

    def copy_to(self, path: Path) -> None:
        """Write the state of this SQLite database to the new file ``path``, while it is in use.

        The copy has no sessions of the console: whoever restores it does not sign anybody in.

        The caller makes the file durable.

        Raises DatabaseBusy, DatabaseUnavailable, StorageFull.
        """
        module = sqlite_module()
        with translated_errors():
            connection = self.engine.raw_connection()
            try:
                # Not through SQLAlchemy, which would begin a transaction: VACUUM allows none.
                connection.cursor().execute("VACUUM INTO ?", (str(path),))
            except module.Error as error:
                raise DBAPIError.instance("VACUUM INTO", None, error, module.Error) from error
            finally:
                connection.close()
            _delete_sessions(module, path)

    @contextmanager
    def patient(self, session: Session, **seconds: float) -> Iterator[None]:
        """Set another ``lock_timeout``, ``statement_timeout`` or
        ``idle_in_transaction_session_timeout`` for this transaction in the block.

        On SQLite this does nothing: it has no statement timeout, and a writer holds the lock.
        """
        if self.is_sqlite:
            yield
            return
        from registry.storage.postgresql import limits

        with limits(session.connection(), **seconds):
            yield

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def _delete_sessions(module: ModuleType, path: Path) -> None:
    """Delete the sessions of the SQLite file ``path``, and overwrite what they occupied."""
    connection = module.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("DELETE FROM sessions")
    except module.Error as error:
        raise DBAPIError.instance("DELETE", None, error, module.Error) from error
    finally:
        connection.close()


@contextmanager
def frozen(path: Path) -> Iterator[Session]:
    """A session on an SQLite file that no process writes. It creates no files next to it.

    Raises SchemaMismatch if the file is not an SQLite database, DatabaseUnavailable if damaged.
    """
    module = sqlite_module()
    uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    engine = create_engine(
        "sqlite://",
        module=module,
        creator=lambda: module.connect(uri, uri=True),
        poolclass=NullPool,
    )
    with translated_errors(), Session(engine) as session:
        yield session


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise the errors that a database reports of its own state as RegistryErrors."""
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseBusy from error
    except DBAPIError as error:
        if translated := as_registry_error(error):
            raise translated from error
        raise


def as_registry_error(error: DBAPIError) -> RegistryError | None:
    """``error`` as a RegistryError; None where it is a fault in our own code."""
    code = result_code(error.orig)
    if code == _SQLITE_NOT_A_DATABASE:
        return SchemaMismatch(
            "The database file is not an SQLite database. Use a file that belongs to this service."
        )
    state: str = getattr(error.orig, "sqlstate", None) or ""
    if state in _POSTGRES:
        return _POSTGRES[state]()
    if not isinstance(error, OperationalError):
        return DatabaseUnavailable() if code == _SQLITE_CORRUPT else None
    if code is not None:
        return _from_sqlite(code)
    # psycopg gives no state if it did not reach the server; class 08 is a lost connection, 57P a
    # server that is shutting down.
    gone = "sqlite" not in type(error.orig).__module__ and (
        not state or state.startswith(("08", "57P"))
    )
    return DatabaseUnavailable() if gone else None


def _from_sqlite(code: int) -> RegistryError | None:
    if code in _SQLITE_WAITED:
        return DatabaseBusy()
    if code == _SQLITE_FULL:
        return StorageFull()
    return DatabaseUnavailable() if code in _SQLITE_GONE else None


def _with_driver(url: URL) -> URL:
    if url.drivername in {"postgres", "postgresql"}:
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise ValueError(
            f"HOTSWAP_DATABASE_URL or DATABASE_URL names {url.drivername!r}; sqlite and"
            " postgresql are supported."
        )
    return url


def _file_of(url: URL) -> Path | None:
    """The file of an SQLite database; None where it is in memory."""
    name = (url.database or "").removeprefix("file:").partition("?")[0]
    return None if name in {"", ":memory:"} else Path(name)


def _postgresql(url: URL, busy_timeout: float, statement_timeout: float) -> Engine:
    if not is_installed("postgresql"):
        raise ValueError(missing("postgresql", "A PostgreSQL database"))
    # Late, so that a service on SQLite does not import a driver that it never uses.
    from registry.storage.postgresql import make_engine

    return make_engine(url, lock_timeout=busy_timeout, statement_timeout=statement_timeout)
