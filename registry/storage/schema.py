"""Migrates the database to the schema of this release, and refuses that of a later release."""

from importlib.resources import files

from sqlalchemy import Connection, func, inspect, select, table
from sqlalchemy.sql import column

from registry.errors import SchemaMismatch
from registry.storage.database import Database, translated_errors

HEAD = "0020"
"""The newest migration; a test compares it with ``migrations/versions``."""

MIGRATION_LOCK = 0x68737770
"""The key of the advisory lock that a migration holds on PostgreSQL: any number, the same in every
process."""
_MIGRATION_SECONDS = 600.0
"""The timeout of a statement of a migration, and of waiting for another migration."""


def upgrade(database: Database) -> bool:
    """Apply the missing migrations; True if there were any.

    Safe with several processes on several hosts: they take turns, in one transaction each.

    Raises SchemaMismatch where the database has the schema of a later release, DatabaseBusy where
    the migration of another process takes more than ten minutes.
    """
    with database.read() as session:
        if current_revision(session.connection()) == HEAD:
            return False
    with database.write() as session:
        connection = session.connection()
        if not database.is_sqlite:
            with database.patient(
                session, lock_timeout=_MIGRATION_SECONDS, statement_timeout=_MIGRATION_SECONDS
            ):
                connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        if current_revision(connection) == HEAD:
            return False
        # The timeout for locks of tables is the usual one: readers queue behind such a wait.
        with (
            translated_errors(),
            database.patient(session, statement_timeout=_MIGRATION_SECONDS),
        ):
            _migrate(connection)
    return True


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


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, HEAD)
    except CommandError as error:
        raise SchemaMismatch(
            f"The database is at migration {current_revision(connection)}, which this release does "
            "not have. Run the release that applied it, or a later one."
        ) from error
