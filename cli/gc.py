"""``hotswap gc``."""

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import click

from cli.database import configured_registry, data_option
from cli.exits import SAID_NO, CommandFailed
from cli.formatting import size
from cli.service import json_option
from cli.spans import Span
from cli.terminal import print_json
from registry.blobs.choice import upload_store
from registry.blobs.store import Leftovers
from registry.operations.collect_garbage import GRACE_SECONDS, Collection, collect_garbage
from registry.reading.blob_uses import used_digests


@click.command
@click.option("--dry-run", is_flag=True, help="Only report what would be removed.")
@click.option(
    "--older-than",
    type=Span(zero=True),
    default=timedelta(seconds=GRACE_SECONDS),
    show_default="1h",
    help="Keep what is younger than this.",
)
@data_option
@json_option
def gc(*, dry_run: bool, older_than: timedelta, data: Path | None, as_json: bool) -> None:
    """Remove artifacts that no version refers to, and the files of interrupted uploads.

    So are directories that MLflow's clients uploaded more than a day ago.
    The service may be running and accept uploads. Archived versions keep their artifacts.

    \b
    Example:
      hotswap gc --dry-run
      hotswap gc --older-than 1d --data /srv/hotswap
    """
    with configured_registry(data) as (settings, database, blobs):
        with database.read() as session:
            versions = bool(used_digests(session))
        # A wrong HOTSWAP_DATABASE_URL must not remove every artifact.
        if not versions and not dry_run and next(blobs.digests(), None) is not None:
            raise CommandFailed(
                f"The database has no versions, but {settings.data / 'blobs'} has blobs.",
                SAID_NO,
                advice="Nothing was removed. Check that HOTSWAP_DATABASE_URL belongs to this data "
                "directory.",
            )
        collected = collect_garbage(
            database, blobs, older_than=older_than.total_seconds(), dry_run=dry_run
        )
        uploads = upload_store(blobs, database, settings.max_upload_bytes)
        old = uploads.remove_old(dry_run=dry_run)
    if as_json:
        print_json({"dry_run": dry_run, **_as_json(collected, old)})
        return
    done = "Would remove" if dry_run else "Removed"
    removed, left = collected.blobs, collected.interrupted
    click.echo(f"{done} {removed.count} blobs that no version refers to ({size(removed.size)}),")
    click.echo(f"{left.count} files of interrupted uploads ({size(left.size)}),")
    click.echo(f"and {old.count} directories that were uploaded over a day ago ({size(old.size)}).")
    if removed.young:
        click.echo(f"{removed.young} more are younger than --older-than and were kept.")
    if removed.passed_over:
        click.echo(f"{removed.passed_over} more were skipped, because uploads were in progress.")


def _as_json(collected: Collection, old: Leftovers) -> dict[str, object]:
    blobs = asdict(collected.blobs)
    return {
        "removed": blobs["count"],
        "removed_bytes": blobs["size"],
        "young": blobs["young"],
        "passed_over": blobs["passed_over"],
        "interrupted": collected.interrupted.count,
        "interrupted_bytes": collected.interrupted.size,
        "directories": old.count,
        "directories_bytes": old.size,
    }
