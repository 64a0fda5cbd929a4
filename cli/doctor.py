"""``hotswap doctor``."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from cli.database import configured_settings, data_option
from cli.exits import SAID_NO, WRONG_USAGE, CommandFailed
from cli.scrub import check_scrub
from cli.service import json_option
from cli.terminal import Column, print_json, print_table
from config import Settings
from registry.blobs.local import LocalBlobStore
from registry.doctor.checks import CHECKS, examine
from registry.doctor.findings import Finding, Installation
from registry.storage.database import Database

COLUMNS = [Column("Check"), Column("Result"), Column("Found")]


@click.command
@click.option(
    "--scrub",
    is_flag=True,
    help="Also read and hash every stored byte; what is damaged is put aside.",
)
@data_option
@json_option
@click.pass_context
def doctor(context: click.Context, *, scrub: bool, data: Path | None, as_json: bool) -> None:
    """Look at the installation and the data directory; needs no service and changes nothing.

    With --scrub it takes as long as the disk takes to read all artifacts, and moves the damaged
    ones to blobs/damaged/, so that nobody can load them.

    Exits with 1 where something is at fault. The database is that of HOTSWAP_DATABASE_URL, or the
    SQLite file in the data directory.

    \b
    Example:
      hotswap doctor
      hotswap doctor --scrub
      hotswap doctor --data /srv/hotswap --json
    """
    settings = configured_settings()
    if data is not None:
        settings = replace(settings, data=data)
    with _installation(settings) as installation:
        findings = list(examine(installation, (*CHECKS, check_scrub) if scrub else CHECKS))
    faulty = any(finding.result == "fault" for finding in findings)
    if as_json:
        print_json({"ok": not faulty, "findings": [_as_json(finding) for finding in findings]})
    else:
        print_table(COLUMNS, [[one.check, one.result, _said(one)] for one in findings], "")
    if faulty:
        context.exit(SAID_NO)


def _said(finding: Finding) -> str:
    return f"{finding.message}. {finding.advice}" if finding.advice else finding.message


def _as_json(finding: Finding) -> dict[str, str]:
    return {
        "check": finding.check,
        "result": finding.result,
        "message": finding.message,
        "advice": finding.advice,
    }


@contextmanager
def _installation(settings: Settings) -> Iterator[Installation]:
    """What the settings name; a SQLite file that is not there yet is not made."""
    try:
        database = Database(settings.effective_database_url)
    except ValueError as error:
        raise CommandFailed(str(error), WRONG_USAGE) from error
    file = database.url.database
    is_there = not database.is_sqlite or (file is not None and Path(file).exists())
    try:
        blobs = LocalBlobStore(settings.data / "blobs")
        yield Installation(settings.data, database if is_there else None, blobs)
    finally:
        database.dispose()
