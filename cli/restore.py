"""``hotswap restore``."""

from dataclasses import replace
from pathlib import Path

import click

from cli.backup import backup_json, pg_bin_option
from cli.database import data_option, opened_database
from cli.exits import WRONG_USAGE, CommandFailed
from cli.formatting import moment, size
from cli.service import json_option
from cli.settings import configured_settings
from cli.terminal import print_json
from config import Settings
from registry.backups.dumps import Programs
from registry.backups.manifest import Manifest
from registry.blobs.bucket import Bucket, open_bucket
from registry.operations.restore import restore as restore_backup
from registry.operations.verify_backup import verify_backup


@click.command
@click.argument(
    "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--check", is_flag=True, help="Only check the backup; restore nothing.")
@pg_bin_option
@data_option
@json_option
def restore(
    *, folder: Path, check: bool, pg_bin: Path | None, data: Path | None, as_json: bool
) -> None:
    """Restore the backup in DIR into an empty or new data directory.

    First, every file is compared with its hash, and the hash chain of the history is checked. The
    tokens of the backup are valid again; the file admin.token is not part of a backup.

    The backup of a PostgreSQL database is restored into the one of HOTSWAP_DATABASE_URL, which has
    to be empty. Artifacts go to the data directory, or with HOTSWAP_BLOBS_URL to that bucket, where
    those that are intact stay as they are.

    \b
    Example:
      hotswap restore /backups/monday --check
      hotswap restore /backups/monday --data /srv/hotswap
    """
    settings = configured_settings()
    if data is not None:
        settings = replace(settings, data=data)
    target = settings.data
    programs = Programs(pg_bin)
    if check:
        manifest = verify_backup(folder, programs)
    elif settings.database_url:
        manifest = _restore_dump(folder, settings, programs)
    else:
        bucket = _bucket(settings)
        run = settings.run_folder
        manifest = restore_backup(folder, target, run, bucket=bucket, programs=programs)
    if as_json:
        print_json(backup_json(folder, manifest) | {"data": None if check else str(target)})
        return
    done = "is complete and undamaged" if check else f"restored into {target}"
    figures = f"{manifest.blob_count} blobs, {size(manifest.size)}"
    click.echo(f"The backup of {moment(manifest.made_at)} {done}: {figures}.")
    click.echo(f"Its history ends at {manifest.history}")
    if manifest.missing:
        click.echo(
            f"It lacks {len(manifest.missing)} blobs that were already lost; "
            "'hotswap doctor --scrub' names their versions.",
            err=True,
        )


def _restore_dump(folder: Path, settings: Settings, programs: Programs) -> Manifest:
    with opened_database(settings) as database:
        if database.is_sqlite:
            raise CommandFailed(
                "HOTSWAP_DATABASE_URL is set, but a backup contains its own SQLite database.",
                WRONG_USAGE,
                advice="Unset it: the database is restored into the data directory.",
            )
        return restore_backup(
            folder,
            settings.data,
            settings.run_folder,
            database=database,
            bucket=_bucket(settings),
            programs=programs,
        )


def _bucket(settings: Settings) -> Bucket | None:
    """The one of HOTSWAP_BLOBS_URL. Raises CommandFailed where the extra for it is missing."""
    if not settings.blobs_url:
        return None
    try:
        return open_bucket(settings.blobs_url, settings.blobs_endpoint)
    except ValueError as error:
        raise CommandFailed(str(error), WRONG_USAGE) from error
