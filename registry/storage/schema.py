"""Migrates the database to the schema of this release.

On PostgreSQL hosts are upgraded one after another, so a release also serves the schema of the
release after it: migrations only add, and what is no longer used is removed one release later. It
refuses the schemas of still later releases.
"""

import time
from collections.abc import Callable
from importlib.resources import files

from sqlalchemy import Connection, func, inspect, select, table
from sqlalchemy.sql import column

from registry.errors import DatabaseBusy, SchemaMismatch
from registry.storage.database import Database, translated_errors

HEAD = "0023"
"""The newest migration; a test compares it with ``migrations/versions``. Its first four digits
count the releases that changed the schema: migrations of one have the same, and a letter."""
_STEP = slice(0, 4)

MIGRATION_LOCK = 0x68737770
"""The key of the advisory lock that a migration holds on PostgreSQL: any number, the same in every
process."""
_MIGRATION_SECONDS = 600.0
"""The timeout of a statement of a migration, and of waiting for another migration."""
_TABLE_SECONDS = 0.1
"""How long a migration waits for a table: much less than the second after which PostgreSQL looks
for deadlocks, so that no request is ended for one."""
_PAUSE_SECONDS = 0.5
_TRYING_SECONDS = 60.0


def upgrade(database: Database) -> bool:
    """Apply the missing migrations; True if there were any.

    Safe with several processes on several hosts: they take turns, in one transaction each. The
    schema of the next release is left as it is.

    Raises SchemaMismatch where the database has the schema of a still later release, DatabaseBusy
    where the migration of another process takes more than ten minutes.
    """
    with database.read() as session:
        if is_served(current_revision(session.connection())):
            return False
    return change_online(database, _upgrade)


def _upgrade(connection: Connection) -> bool:
    if is_served(current_revision(connection)):
        return False
    migrate(connection)
    return True


def change_online(database: Database, change: Callable[[Connection], bool]) -> bool:
    """Have ``change`` alter tables of a database that is in use, while no other host does; what it
    returns, which is whether there was something to do.

    It waits for the lock of a table for a moment only: whoever reads the table queues behind that
    wait, and of two transactions that wait for each other the server ends the one that has
    waited for a second. Then it begins again, up to a minute.

    Raises DatabaseBusy where a table is in use all that time.
    """
    deadline = time.monotonic() + _TRYING_SECONDS
    while True:
        try:
            return _tried(database, change)
        except DatabaseBusy:
            if database.is_sqlite or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_SECONDS)


def _tried(database: Database, change: Callable[[Connection], bool]) -> bool:
    with database.write() as session:
        connection = session.connection()
        if not database.is_sqlite:
            with database.patient(
                session, lock_timeout=_MIGRATION_SECONDS, statement_timeout=_MIGRATION_SECONDS
            ):
                connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        with (
            translated_errors(),
            database.patient(
                session,
                lock_timeout=_TABLE_SECONDS,
                statement_timeout=_MIGRATION_SECONDS,
                # Between two statements it may import Alembic, or convert rows.
                idle_in_transaction_session_timeout=_MIGRATION_SECONDS,
            ),
        ):
            return change(connection)


def is_served(revision: str | None, head: str = HEAD) -> bool:
    """Whether the release whose newest migration is ``head`` serves a database at ``revision``: at
    its own schema, or at that of the next release."""
    return revision == head or is_next(revision, head)


def is_next(revision: str | None, head: str = HEAD) -> bool:
    """Whether ``revision`` is a migration of the release after that of ``head``."""
    if revision is None or not revision[_STEP].isdecimal():
        return False
    return int(revision[_STEP]) == int(head[_STEP]) + 1


def current_revision(connection: Connection) -> str | None:
    """The last migration that was applied; None where the database is empty.

    Raises SchemaMismatch where the database has tables of another application.
    """
    names = inspect(connection).get_table_names()
    if "alembic_version" not in names:
        if names:
            raise SchemaMismatch(
                "The database has tables of another application. Use a separate database."
            )
        return None
    versions = table("alembic_version", column("version_num"))
    revision: str | None = connection.scalar(select(versions.c.version_num))
    return revision


def migrate(connection: Connection, revision: str = HEAD) -> None:
    """Apply the migrations up to ``revision``, in the transaction of ``connection``.

    Raises SchemaMismatch where the database is at a migration that this release does not have.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise SchemaMismatch(
            f"The database is at migration {current_revision(connection)}, which this release does "
            "not have. Run the release that applied it, a later one, or the one before."
        ) from error
