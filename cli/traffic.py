"""``hotswap traffic``."""

from datetime import datetime

import click

from cli.moments import Moment
from cli.names import ModelName
from cli.service import json_option, speaks_to_service
from cli.terminal import Column, print_json, print_table
from hotswap import Registry

COLUMNS = [
    Column("Version", right=True),
    Column("Requests", right=True),
    Column("Refused", right=True),
    Column("Failed", right=True),
    Column("By number", right=True),
    Column("p50 ms", right=True),
    Column("p95 ms", right=True),
    Column("p99 ms", right=True),
]


@click.command
@click.argument("name", type=ModelName())
@click.option(
    "--window",
    type=click.Choice(["10m", "1h", "24h", "30d"]),
    default="1h",
    show_default=True,
    help="How long.",
)
@click.option(
    "--until",
    type=Moment(),
    metavar="TIME",
    help="The end of the window, such as 2026-11-21T06:00Z; now by default.",
)
@click.option("--version", type=click.IntRange(min=1), metavar="N", help="Only this version.")
@json_option
@speaks_to_service
def traffic(
    registry: Registry,
    *,
    name: str,
    window: str,
    until: datetime | None,
    version: int | None,
    as_json: bool,
) -> None:
    """Show the predictions of each version of the model NAME: how many, and how long they took.

    They are recorded once a minute. "By number" is the share of the requests that named the version
    by its number, which promotions and rollbacks do not move. --json has the figures over time.

    \b
    Example:
      hotswap traffic housing
      hotswap traffic housing --window 24h --version 3 --json
    """
    found = registry.traffic(name, window, until=until, version=version)
    if as_json:
        print_json(found)
        return
    rows = [
        [
            one["version"],
            one["requests"],
            one["refused"],
            one["failed"],
            f"{one['by_number_share']:.0%}",
            *(_milliseconds(one[p]) for p in ("p50_seconds", "p95_seconds", "p99_seconds")),
        ]
        for one in found["versions"]
    ]
    print_table(COLUMNS, rows, f"{name} has had no predictions in this time.")


def _milliseconds(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds * 1000:.3g}"
