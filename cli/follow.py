"""``hotswap follow``."""

import json
from contextlib import suppress

import click

from cli.formatting import cell
from cli.history import event_row
from cli.names import ModelName
from cli.service import json_option, speaks_to_service
from hotswap import Registry

SECONDS = 2.0


@click.command
@click.argument("name", type=ModelName())
@click.option(
    "--after", type=click.IntRange(min=0), metavar="SEQ", help="Begin after the event SEQ."
)
@json_option
@speaks_to_service
def follow(registry: Registry, *, name: str, after: int | None, as_json: bool) -> None:
    """Print the events of the model NAME as they happen, one per line, until Ctrl-C.

    \b
    Example:
      hotswap follow housing
      hotswap follow housing --after 0 --json
    """
    with suppress(KeyboardInterrupt):
        for event in registry.follow(name, after=after, seconds=SECONDS):
            line = "  ".join(cell(value) for value in event_row(event))
            click.echo(json.dumps(event, ensure_ascii=False) if as_json else line)
