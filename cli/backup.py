"""``hotswap backup``."""

from pathlib import Path
from typing import Any

import click

from cli.database import configured_registry, data_option
from cli.formatting import size
from cli.service import json_option
from cli.terminal import print_json
from registry.backups.dumps import Programs
from registry.backups.last import note_backup
from registry.backups.manifest import Manifest
from registry.operations.back_up import back_up

pg_bin_option = click.option(
    "--pg-bin",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of pg_dump and pg_restore, for PostgreSQL.  [default: where PATH has them]",
)


@click.command
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--incomplete",
    is_flag=True,
    help="Back up even if blobs are damaged or missing, without those.",
)
@click.option(
    "--since",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="An earlier backup: files that it holds are linked, only the others are copied.",
)
@pg_bin_option
@data_option
@json_option
def backup(
    *,
    folder: Path,
    incomplete: bool,
    since: Path | None,
    pg_bin: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Copy the registry into the new folder DIR: the database, and every artifact in it.

    The service may be running; the copy is a consistent snapshot. Every byte of the copy is
    hashed. A PostgreSQL database is copied by pg_dump, which has to be installed.

    \b
    Example:
      hotswap backup /backups/monday
      hotswap restore /backups/monday --check
      hotswap backup /backups/tuesday --since /backups/monday
    """
    with configured_registry(data) as (settings, database, blobs):
        manifest = back_up(
            database,
            blobs,
            folder,
            since=since,
            incomplete=incomplete,
            programs=Programs(pg_bin),
        )
        if not manifest.missing:
            note_backup(settings.run_folder, manifest.made_at)
    if as_json:
        print_json(backup_json(folder, manifest))
        return
    click.echo(f"Backed up to {folder}: {manifest.blob_count} blobs, {size(manifest.size)}.")
    click.echo(f"Its history ends at {manifest.history}")
    if manifest.missing:
        click.echo(f"It lacks {len(manifest.missing)} blobs that are damaged or missing.", err=True)


def backup_json(folder: Path, manifest: Manifest) -> dict[str, Any]:
    """The backup in ``folder`` for ``--json``."""
    return {
        "backup": str(folder),
        "made_at": manifest.made_at,
        "history": manifest.history,
        "blobs": manifest.blob_count,
        "bytes": manifest.size,
        "missing": list(manifest.missing),
    }
