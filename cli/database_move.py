"""``hotswap db move``."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from cli.database import configured_registry, data_option, opened_database
from cli.exits import SAID_NO, WRONG_USAGE, CommandFailed
from cli.hold import Hold
from cli.service import json_option
from cli.terminal import print_json
from config import Settings
from registry.live.fleet import Fleet
from registry.operations.move_database import move_database
from registry.storage.database import Database


@click.command
@click.option(
    "--to",
    "url",
    required=True,
    metavar="URL",
    help="An empty database: postgresql://… or sqlite:////path/of/a/new/file.db.",
)
@data_option
@json_option
def move(*, url: str, data: Path | None, as_json: bool) -> None:
    """Copy the registry to another database, and compare every row. The service must not run.

    The database is the one of HOTSWAP_DATABASE_URL, or the SQLite file in the data directory; it is
    not changed. Artifacts stay where they are. A URL without a password is completed by PGPASSWORD
    or the password file of PostgreSQL.

    \b
    Example:
      hotswap db move --to postgresql://registry@db/registry
      HOTSWAP_DATABASE_URL=postgresql://registry@db/registry hotswap db move \\
        --to sqlite:////srv/hotswap/registry.db
    """
    with (
        configured_registry(data) as (settings, source, _),
        _stopped(settings),
        _target(replace(settings, database_url=url)) as target,
    ):
        moved = move_database(source, target)
        shown = target.url.render_as_string()
    if as_json:
        print_json({"to": shown, "rows": dict(moved.rows), "history": str(moved.head)})
        return
    click.echo(f"Moved {sum(moved.rows.values()):,} rows to {shown}, and compared them.")
    click.echo(f"The history ends at {moved.head}")
    click.echo(
        "The old database is unchanged. Set HOTSWAP_DATABASE_URL to the new one before you start "
        "the service, and put the old one away."
    )


@contextmanager
def _target(settings: Settings) -> Iterator[Database]:
    """The database to move to. The file of an SQLite database is created for this user only."""
    if settings.database_url.rstrip("/") in {"sqlite:", "sqlite:///:memory:"}:
        raise CommandFailed(f"{settings.database_url} names no file.", WRONG_USAGE)
    with opened_database(settings) as target:
        if target.is_sqlite:
            file = str(target.url.database)
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        yield target


@contextmanager
def _stopped(settings: Settings) -> Iterator[None]:
    """Holds the data directory, so that no service starts on it. Raises CommandFailed where one
    runs."""
    hold = Hold.acquire(settings.data, settings.run_folder, create=False, patience=0)
    try:
        if workers := Fleet(settings.run_folder / "workers").alive():
            raise CommandFailed(
                f"A service with {workers} workers serves {settings.data}.",
                SAID_NO,
                advice="Stop it first: what it changes during the move would be lost.",
            )
        yield
    finally:
        if hold is not None:
            hold.close()
