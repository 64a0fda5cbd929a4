"""``hotswap db``, and the database for other commands that work without the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
from sqlalchemy.exc import ArgumentError

from cli.exits import SAID_NO, WRONG_USAGE, CommandFailed
from cli.lazy import LazyCommand, LazyGroup
from cli.settings import configured_settings
from config import Settings
from registry.blobs.choice import blob_store
from registry.blobs.store import BlobStore
from registry.storage import schema
from registry.storage.database import Database
from registry.storage.durable import make_directory
from registry.storage.file_modes import refuse_foreign
from registry.storage.history import Head, verify

data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Data directory.  [HOTSWAP_DATA, default: artifacts]",
)


@click.group(
    cls=LazyGroup,
    lazy={
        "upgrade": LazyCommand(
            "cli.database:upgrade", "Upgrade the database schema to this release."
        ),
        "move": LazyCommand("cli.database_move:move", "Copy the registry to another database."),
    },
)
def db() -> None:
    """Manage the database."""


@click.command
@click.option("--json", "as_json", is_flag=True, help="Print only JSON on stdout.")
def upgrade(*, as_json: bool) -> None:
    """Upgrade the database schema to this release. The service also does this when it starts.

    The database is the one of HOTSWAP_DATABASE_URL, or the SQLite file in HOTSWAP_DATA.

    \b
    Example:
      HOTSWAP_DATABASE_URL=postgresql://registry@db/registry hotswap db upgrade
    """
    with configured_database() as database:
        changed = schema.upgrade(database)
    if as_json:
        click.echo(f'{{"schema": "{schema.HEAD}", "changed": {str(changed).lower()}}}')
    else:
        done = "Upgraded to" if changed else "Already at"
        click.echo(f"{done} schema {schema.HEAD}: {database.url.render_as_string()}")


def verify_history(anchor: str | None) -> Head:
    """Check the hash chain of the configured database and return where it ends.

    Raises HistoryBroken, and ValueError for an anchor that cannot be read.
    """
    with configured_database() as database, database.read() as session:
        if schema.current_revision(session.connection()) is None:
            raise CommandFailed(
                "The database is empty and has no history.",
                WRONG_USAGE,
                advice="Set HOTSWAP_DATA or HOTSWAP_DATABASE_URL to the database of the service.",
            )
        return verify(session, None if anchor is None else Head.parse(anchor))


@contextmanager
def configured_database() -> Iterator[Database]:
    """The database that the environment configures, closed at the end of the block."""
    settings = configured_settings()
    if not settings.database_url:
        refuse_foreign(settings.data)
        make_directory(settings.data)
    with opened_database(settings) as database:
        yield database


@contextmanager
def opened_database(settings: Settings) -> Iterator[Database]:
    """The database of ``settings``, closed at the end of the block."""
    try:
        database = Database(settings.effective_database_url)
    except (ValueError, ArgumentError) as error:
        raise CommandFailed(str(error), WRONG_USAGE) from error
    try:
        yield database
    finally:
        database.dispose()


@contextmanager
def configured_registry(data: Path | None) -> Iterator[tuple[Settings, Database, BlobStore]]:
    """The settings, the database and the blobs of the data directory.

    ``data`` replaces HOTSWAP_DATA. Creates nothing. Raises CommandFailed where there is no database
    or its schema is that of another release.
    """
    settings = configured_settings()
    if data is not None:
        settings = replace(settings, data=data)
    with opened_database(settings) as database:
        file = Path(database.url.database or "")
        if database.is_sqlite and not file.is_file():
            raise _no_registry(f"The database {file} does not exist.")
        with database.read() as session:
            revision = schema.current_revision(session.connection())
        if revision is None:
            raise _no_registry("The database is empty.")
        if revision != schema.HEAD:
            raise CommandFailed(
                f"The database has schema {revision}, this release needs {schema.HEAD}.",
                SAID_NO,
                advice="Run 'hotswap db upgrade', or use the release that made the database.",
            )
        yield settings, database, opened_blobs(settings, database)


def opened_blobs(settings: Settings, database: Database, *, keeps_keys: bool = False) -> BlobStore:
    """As ``blob_store``. Raises CommandFailed where the extra for it is missing."""
    try:
        return blob_store(settings, database, keeps_keys=keeps_keys)
    except ValueError as error:
        raise CommandFailed(str(error), WRONG_USAGE) from error


def _no_registry(what: str) -> CommandFailed:
    return CommandFailed(
        what,
        WRONG_USAGE,
        advice="Set HOTSWAP_DATA (and HOTSWAP_DATABASE_URL) to the values of the service.",
    )
