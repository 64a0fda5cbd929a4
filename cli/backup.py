"""``hotswap backup``."""

from pathlib import Path

import click

from cli.database import configured_registry, data_option
from cli.formatting import size
from cli.service import json_option
from cli.terminal import print_json
from registry.operations.back_up import back_up


@click.command
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--incomplete", is_flag=True, help="Also where blobs are damaged or missing, without these."
)
@click.option(
    "--since",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="An earlier backup: what it holds is linked to its files, and only the rest copied.",
)
@data_option
@json_option
def backup(
    *, folder: Path, incomplete: bool, since: Path | None, data: Path | None, as_json: bool
) -> None:
    """Copy the registry into the new folder DIR: the database, and every artifact in it.

    The service may run meanwhile; the copy is one state of it. Every byte of the copy is hashed.
    For SQLite only: with PostgreSQL, run pg_dump and then copy the folder 'blobs'.

    \b
    Example:
      hotswap backup /backups/monday
      hotswap restore /backups/monday --check
      hotswap backup /backups/tuesday --since /backups/monday
    """
    with configured_registry(data) as (_, database, blobs):
        manifest = back_up(database, blobs, folder, since=since, incomplete=incomplete)
    if as_json:
        print_json(
            {
                "backup": str(folder),
                "made_at": manifest.made_at,
                "history": manifest.history,
                "blobs": manifest.blob_count,
                "bytes": manifest.size,
                "missing": list(manifest.missing),
            }
        )
        return
    click.echo(f"Backed up to {folder}: {manifest.blob_count} blobs, {size(manifest.size)}.")
    click.echo(f"Its history ends at {manifest.history}")
    if manifest.missing:
        click.echo(f"It lacks {len(manifest.missing)} blobs that are damaged or missing.", err=True)
