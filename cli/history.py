"""``hotswap history``."""

import re
from itertools import islice

import click

from cli.exits import WRONG_USAGE, CommandFailed
from cli.formatting import moment
from cli.names import ModelName
from cli.service import json_option, speaks_to_service
from cli.terminal import Column, print_json, print_table
from hotswap import Registry
from hotswap.replies import Event

COLUMNS = [
    Column("Seq", right=True),
    Column("At"),
    Column("Type"),
    Column("Alias"),
    Column("From", right=True),
    Column("To", right=True),
    Column("Actor"),
    Column("Reason"),
]
_ANCHOR = re.compile(r"[0-9]+:[0-9a-f]{64}")


@click.command
@click.argument("name", type=ModelName(), required=False)
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Show only the N newest events."
)
@click.option(
    "--verify",
    is_flag=True,
    help="Check the hash chain of the whole history in the database; needs no service.",
)
@click.option(
    "--anchor", metavar="SEQ:HASH", help="With --verify: an end of the chain recorded earlier."
)
@json_option
@speaks_to_service
def history(
    registry: Registry,
    *,
    name: str | None,
    limit: int | None,
    verify: bool,
    anchor: str | None,
    as_json: bool,
) -> None:
    """Show the history of the model NAME, newest first.

    \b
    Example:
      hotswap history housing --limit 10
      hotswap history --verify
    """
    if verify:
        if name is not None:
            raise click.UsageError("--verify checks the history of all models and takes no NAME.")
        _verify(anchor, as_json)
    elif anchor is not None:
        raise click.UsageError("--anchor requires --verify.")
    elif name is None:
        raise click.UsageError("Missing argument 'NAME': the model.")
    else:
        _print_events(list(islice(registry.history(name), limit)), name, as_json)


def _verify(anchor: str | None, as_json: bool) -> None:
    if anchor is not None and not _ANCHOR.fullmatch(anchor):
        raise CommandFailed(
            "--anchor must be SEQ:HASH, as 'hotswap history --verify' prints it.", WRONG_USAGE
        )
    from cli.database import verify_history

    head = verify_history(anchor)
    if as_json:
        print_json({"seq": head.seq, "hash": head.hash})
    else:
        click.echo(f"The history is intact up to event {head.seq}. Record its end as an anchor:")
        click.echo(f"{head.seq}:{head.hash}")


def _print_events(events: list[Event], name: str, as_json: bool) -> None:
    if as_json:
        print_json(events)
        return
    rows = [
        [
            event.get("seq"),
            moment(event.get("at")),
            event.get("type"),
            event.get("alias"),
            event.get("from_version"),
            event.get("to_version"),
            event.get("actor"),
            event.get("reason"),
        ]
        for event in events
    ]
    print_table(COLUMNS, rows, f"{name} has no history yet.")
