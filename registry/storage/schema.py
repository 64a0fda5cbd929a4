"""Brings the database's tables to this release, and refuses one of a later release."""

from importlib.resources import files

from sqlalchemy import Connection, func, inspect, select, table
from sqlalchemy.sql import column

from registry.errors import SchemaMismatch
from registry.storage.database import Database, translated_errors

HEAD = "0005"
"""The newest migration; a test holds it equal to what stands in ``migrations/versions``."""

MIGRATION_LOCK = 0x68737770
"""The advisory lock that PostgreSQL gives to whoever migrates; any number does, as long as every
process uses the same one."""
_MIGRATION_SECONDS = 600.0
"""How long a statement of a migration may take, and how long another migration is waited for."""


def upgrade(database: Database) -> bool:
    """Apply the migrations that are missing; True if there were any.

    Safe with several processes at once, on several hosts: they take turns, and all of it is one
    transaction.

    Raises SchemaMismatch where the database belongs to a later release, DatabaseBusy where another
    process migrates for more than ten minutes.
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
        # Locks of tables are waited for no longer than usual: readers queue behind such a wait.
        with (
            translated_errors(),
            database.patient(session, statement_timeout=_MIGRATION_SECONDS),
        ):
            _migrate(connection)
    return True


def current_revision(connection: Connection) -> str | None:
    """The migration that the database stands at; None where it is empty.

    Raises SchemaMismatch where the database holds tables that are not ours.
    """
    names = inspect(connection).get_table_names()
    if "alembic_version" not in names:
        if names:
            raise SchemaMismatch(
                "The database holds tables that this service did not make; give it one of its own."
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
            f"The database stands at migration {current_revision(connection)}, which this release "
            "does not know. Run the release that made it, or a later one."
        ) from error
