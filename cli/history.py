"""``hotswap history``."""

import re
from datetime import datetime
from itertools import islice
from typing import Any

import click

from cli.exits import WRONG_USAGE, CommandFailed
from cli.formatting import moment
from cli.moments import Moment
from cli.names import ModelName
from cli.service import json_option, speaks_to_service
from cli.splits import percent
from cli.terminal import Column, print_json, print_pairs, print_table
from hotswap import Registry
from hotswap.replies import Event, HistoryHead

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
_MODEL = 3
"""Where the column of the model stands in the history of all models."""
_ANCHOR = re.compile(r"[0-9]+:[0-9a-f]{64}")


@click.command
@click.argument("name", type=ModelName(), required=False)
@click.option("--type", "type_", metavar="TYPE", help="Only events of this type, as promoted.")
@click.option("--actor", metavar="TOKEN", help="Only events by the token of this name.")
@click.option("--alias", metavar="ALIAS", help="Only events of this alias.")
@click.option(
    "--from", "since", type=Moment(), metavar="TIME", help="Only events at this time or later."
)
@click.option("--to", "until", type=Moment(), metavar="TIME", help="Only earlier events.")
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Show only the N newest events."
)
@click.option(
    "--verify",
    is_flag=True,
    help="Check the hash chain of the whole history in the database; needs no service.",
)
@click.option(
    "--head",
    is_flag=True,
    help="Show where the chain ends and when the service last verified it; with --verify, the "
    "service verifies it now, which requires the scope admin.",
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
    type_: str | None,
    actor: str | None,
    alias: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    verify: bool,
    head: bool,
    anchor: str | None,
    as_json: bool,
) -> None:
    """Show the history of the model NAME, or of all models and tokens, newest first.

    Events of tokens are shown to admins. Times are UTC unless they have a zone.

    \b
    Example:
      hotswap history housing --limit 10
      hotswap history --actor ann --type promoted --from 2026-11-01 --to 2026-12-01
      hotswap history --verify
      hotswap history --head
    """
    chosen: dict[str, Any] = {
        "type": type_,
        "actor": actor,
        "alias": alias,
        "since": since,
        "until": until,
    }
    is_filtered = any(value is not None for value in chosen.values())
    if (verify or head) and (name is not None or is_filtered):
        raise click.UsageError("--verify and --head concern the whole history: no NAME, no filter.")
    if anchor is not None and (head or not verify):
        raise click.UsageError("--anchor requires --verify without --head.")
    if head:
        _print_head(registry.verify_history() if verify else registry.history_head(), as_json)
    elif verify:
        _verify(anchor, as_json)
    elif name is None or is_filtered:
        found = registry.events(model=name, **chosen)
        _print_events(list(islice(found, limit)), None, as_json)
    else:
        _print_events(list(islice(registry.history(name), limit)), name, as_json)


def event_row(event: Event) -> list[object]:
    """The cells of an event in COLUMNS."""
    return [
        event.get("seq"),
        moment(event.get("at")),
        event.get("type"),
        event.get("alias"),
        event.get("from_version"),
        event.get("to_version") or _weights(event),
        event.get("actor"),
        event.get("reason"),
    ]


def _weights(event: Event) -> str | None:
    """The weights that a change of a split set."""
    if event.get("type") != "split_changed":
        return None
    weights = (event.get("details") or {}).get("weights") or {}
    return ", ".join(f"{version}: {percent(weight)}" for version, weight in weights.items())


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


def _print_head(head: HistoryHead, as_json: bool) -> None:
    if as_json:
        print_json(head)
        return
    if head["verified_at"] is None:
        checked = "never"
    elif head["broken_seq"] is not None:
        checked = f"broken at event {head['broken_seq']}, {moment(head['verified_at'])}"
    else:
        checked = f"intact up to event {head['verified_seq']}, {moment(head['verified_at'])}"
        if (whole := head.get("fully_verified_at")) not in {None, head["verified_at"]}:
            checked += f"; all of it {moment(whole)}"
    print_pairs({"end": f"{head['seq']}:{head['hash']}", "verified": checked})


def _print_events(events: list[Event], name: str | None, as_json: bool) -> None:
    """Print ``events`` of the model ``name``; None: of several models."""
    if as_json:
        print_json(events)
        return
    rows = [event_row(event) for event in events]
    if name is not None:
        print_table(COLUMNS, rows, f"{name} has no history yet.")
        return
    for row, event in zip(rows, events, strict=True):
        row.insert(_MODEL, event.get("model"))
    columns = [*COLUMNS[:_MODEL], Column("Model"), *COLUMNS[_MODEL:]]
    print_table(columns, rows, "There are no such events.")
