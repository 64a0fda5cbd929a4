"""``hotswap db``, and the check of the history: what works on the database without the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from cli.exits import SAID_NO, WRONG_USAGE, CommandFailed
from config import SettingInvalid, Settings
from registry.blobs.local import LocalBlobStore
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


@click.group
def db() -> None:
    """Look after the database."""


@db.command
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout.")
def upgrade(*, as_json: bool) -> None:
    """Bring the database to this release. The service does so itself when it starts.

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
        done = "Brought to" if changed else "Stands at"
        click.echo(f"{done} schema {schema.HEAD}: {database.url.render_as_string()}")


def verify_history(anchor: str | None) -> Head:
    """Check the hash chain of the configured database and return where it ends.

    Raises HistoryBroken, and ValueError for an anchor that cannot be read.
    """
    with configured_database() as database, database.read() as session:
        if schema.current_revision(session.connection()) is None:
            raise CommandFailed(
                "The database is empty: there is no history yet.",
                WRONG_USAGE,
                advice="Set HOTSWAP_DATA or HOTSWAP_DATABASE_URL to where the service keeps it.",
            )
        return verify(session, None if anchor is None else Head.parse(anchor))


@contextmanager
def configured_database() -> Iterator[Database]:
    """The database that the environment names, closed at the end of the block."""
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
    except ValueError as error:
        raise CommandFailed(str(error), WRONG_USAGE) from error
    try:
        yield database
    finally:
        database.dispose()


@contextmanager
def configured_registry(data: Path | None) -> Iterator[tuple[Settings, Database, LocalBlobStore]]:
    """The settings, the database and the blobs of the data directory, as the service has them.

    ``data`` instead of HOTSWAP_DATA, if given. Nothing is made here: where no service has been, and
    where the database is of another release, the command ends.
    """
    settings = configured_settings()
    if data is not None:
        settings = replace(settings, data=data)
    with opened_database(settings) as database:
        file = Path(database.url.database or "")
        if database.is_sqlite and not file.is_file():
            raise _no_registry(f"There is no database {file}.")
        with database.read() as session:
            revision = schema.current_revision(session.connection())
        if revision is None:
            raise _no_registry("The database is empty.")
        if revision != schema.HEAD:
            raise CommandFailed(
                f"The database stands at schema {revision}, this release at {schema.HEAD}.",
                SAID_NO,
                advice="Run 'hotswap db upgrade', or the release that made it.",
            )
        yield settings, database, LocalBlobStore(settings.data / "blobs")


def _no_registry(what: str) -> CommandFailed:
    return CommandFailed(
        what,
        WRONG_USAGE,
        advice="Set HOTSWAP_DATA (and HOTSWAP_DATABASE_URL) as the service has them.",
    )


def configured_settings() -> Settings:
    """The settings of the environment; what cannot be read is wrong usage."""
    try:
        return Settings.from_environment()
    except SettingInvalid as error:
        raise CommandFailed(str(error), WRONG_USAGE) from error
