"""``hotswap doctor``."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from cli.database import data_option, opened_blobs, opened_database
from cli.exits import SAID_NO
from cli.scrub import check_scrub
from cli.service import json_option
from cli.settings import configured_settings
from cli.terminal import Column, print_json, print_table
from config import Settings
from registry.doctor.checks import CHECKS, examine
from registry.doctor.findings import Finding, Installation

COLUMNS = [Column("Check"), Column("Result"), Column("Found")]


@click.command
@click.option(
    "--scrub",
    is_flag=True,
    help="Also read and hash every stored byte; damaged files are moved aside.",
)
@data_option
@json_option
@click.pass_context
def doctor(context: click.Context, *, scrub: bool, data: Path | None, as_json: bool) -> None:
    """Check the installation and the data directory. Needs no service and changes nothing.

    With --scrub it takes as long as the disk needs to read all artifacts, and moves damaged ones to
    blobs/damaged/, so that they cannot be loaded.

    Exits with 1 if a check finds a fault. The database is that of HOTSWAP_DATABASE_URL, or the
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
    found = f"{finding.message}: {finding.place}" if finding.place else finding.message
    return f"{found}. {finding.advice}" if finding.advice else found


def _as_json(finding: Finding) -> dict[str, str]:
    return {
        "check": finding.check,
        "result": finding.result,
        "message": finding.message,
        "place": finding.place,
        "advice": finding.advice,
    }


@contextmanager
def _installation(settings: Settings) -> Iterator[Installation]:
    """The installation of ``settings``; a SQLite file that does not exist is not created."""
    with opened_database(settings) as database:
        file = database.url.database
        exists = not database.is_sqlite or (file is not None and Path(file).exists())
        blobs = opened_blobs(settings, database)
        yield Installation(
            settings.data,
            database if exists else None,
            blobs,
            settings.watch,
            settings.run_folder,
        )
