"""``hotswap card``."""

from pathlib import Path

import click

from cli.names import ModelReference, Reference
from cli.service import json_option, speaks_to_service
from cli.terminal import print_json
from hotswap import Registry
from registry.names import PRODUCTION
from registry.storage.durable import write_whole

MEDIA_TYPES = {"markdown": "text/markdown", "html": "text/html"}


@click.command
@click.argument("reference", metavar="NAME[/VERSION]", type=ModelReference())
@click.option(
    "--format",
    "format_",
    type=click.Choice(list(MEDIA_TYPES)),
    default="markdown",
    help="Format of the card.  [default: markdown]",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the card to FILE instead of printing it.",
)
@json_option
@speaks_to_service
def card(
    registry: Registry, reference: Reference, format_: str, out: Path | None, *, as_json: bool
) -> None:
    """Print the model card of a version: its data, metrics, gates and how to call it.

    VERSION is a number, an alias or 'latest'; 'production' unless given.

    \b
    Example:
      hotswap card housing/3
      hotswap card housing --format html --out housing.html
    """
    version = PRODUCTION if reference.version is None else reference.version
    text = registry.card(reference.name, version, MEDIA_TYPES[format_])
    if out is not None:
        write_whole(out, text.encode(), 0o644)
    if as_json:
        where = {"file": str(out)} if out is not None else {"card": text}
        print_json({"format": format_, **where})
    elif out is None:
        click.echo(text, nl=False)
