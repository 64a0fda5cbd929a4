"""``hotswap blobs``."""

import sys
from dataclasses import replace
from pathlib import Path

import click

from cli.database import configured_registry, data_option, opened_blobs
from cli.exits import SAID_NO, WRONG_USAGE, CommandFailed
from cli.formatting import size
from cli.service import json_option
from cli.terminal import print_json
from config import Settings, read_blobs_url
from registry.operations.move_blobs import Moved, move_blobs

_FOLDER = "folder"
_SHOWN = 5


@click.group
def blobs() -> None:
    """Manage where the artifacts are stored."""


@blobs.command
@click.option(
    "--to",
    required=True,
    metavar="URL",
    help="s3://bucket/prefix, or 'folder': the folder 'blobs' of the data directory.",
)
@data_option
@json_option
@click.pass_context
def move(context: click.Context, *, to: str, data: Path | None, as_json: bool) -> None:
    """Copy every artifact from where HOTSWAP_BLOBS_URL says to another place.

    The service may be running. What is at the target already is not copied again, so an
    interrupted command is simply repeated. Nothing is removed, and no setting is changed: stop the
    service, repeat the command for what was uploaded meanwhile, and start it with the new
    HOTSWAP_BLOBS_URL.

    Exits with 1 if artifacts are damaged or missing at the source; the others are copied.

    \b
    Example:
      hotswap blobs move --to s3://models/hotswap
      HOTSWAP_BLOBS_URL=s3://models/hotswap hotswap blobs move --to folder
    """
    with configured_registry(data) as (settings, database, source):
        target = replace(settings, blobs_url=_url(to))
        if target.blobs_url == settings.blobs_url:
            raise CommandFailed(
                f"The artifacts are in {_place(settings)} already.",
                WRONG_USAGE,
                advice="HOTSWAP_BLOBS_URL is where they are copied from, --to where to.",
            )
        moved = move_blobs(
            database,
            source,
            opened_blobs(target, database, keeps_keys=True),
            progress=_show if sys.stderr.isatty() else None,
        )
    if sys.stderr.isatty():
        click.echo(err=True)
    _report(moved, _place(target), as_json=as_json)
    if moved.lost:
        context.exit(SAID_NO)


def _url(text: str) -> str:
    if text == _FOLDER:
        return ""
    try:
        return read_blobs_url(text)
    except ValueError as error:
        raise CommandFailed(f"--to {error}", WRONG_USAGE) from error


def _place(settings: Settings) -> str:
    return settings.blobs_url or str(settings.data / "blobs")


def _report(moved: Moved, place: str, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "to": place,
                "copied": moved.copied,
                "bytes": moved.size,
                "present": moved.present,
                "lost": list(moved.lost),
            }
        )
        return
    click.echo(f"Copied {moved.copied} blobs to {place} ({size(moved.size)}).")
    click.echo(f"{moved.present} were there already.")
    if moved.lost:
        shown = ", ".join(moved.lost[:_SHOWN]) + (", …" if len(moved.lost) > _SHOWN else "")
        click.echo(f"{len(moved.lost)} are damaged or missing at the source: {shown}", err=True)
        click.echo("See 'hotswap doctor --scrub'.", err=True)


def _show(done: int, total: int) -> None:
    click.echo(f"\rCopying blobs: {done} of {total}", nl=False, err=True)
