"""``hotswap alerts``."""

import click

from cli.formatting import moment
from cli.names import ModelName
from cli.service import json_option, speaks_to_service
from cli.terminal import Column, print_json, print_table
from hotswap import Registry
from hotswap.replies import Alert

COLUMNS = [
    Column("Id", right=True),
    Column("Opened"),
    Column("Kind"),
    Column("Model"),
    Column("Alias"),
    Column("Version", right=True),
    Column("Found"),
    Column("Seen by"),
    Column("Closed"),
]


@click.command
@click.argument("name", type=ModelName(), required=False)
@click.option("--kind", metavar="KIND", help="Only alerts of this kind, such as held.")
@click.option("--all", "all_", is_flag=True, help="Also alerts that are closed.")
@click.option(
    "--seen",
    type=click.IntRange(min=1),
    metavar="ID",
    help="Note that alert ID was seen; requires the scope promote.",
)
@json_option
@speaks_to_service
def alerts(
    registry: Registry,
    *,
    name: str | None,
    kind: str | None,
    all_: bool,
    seen: int | None,
    as_json: bool,
) -> None:
    """Show the open alerts of the model NAME, or of all models and of the server, newest first.

    \b
    Example:
      hotswap alerts
      hotswap alerts housing --all
      hotswap alerts --seen 7
    """
    if seen is not None:
        if name is not None or kind is not None or all_:
            raise click.UsageError("--seen takes no NAME and no other filter.")
        alert = registry.see_alert(seen)
        print_json(alert) if as_json else print_table(COLUMNS, [_row(alert)], "")
        return
    found = list(registry.alerts(name, kind=kind, open=None if all_ else True))
    if as_json:
        print_json(found)
        return
    kinds = "alerts" if all_ else "open alerts"
    print_table(COLUMNS, map(_row, found), f"There are no {kinds}.")


def _row(alert: Alert) -> list[object]:
    return [
        alert["id"],
        moment(alert.get("opened_at")),
        alert["kind"],
        alert.get("model"),
        alert.get("alias"),
        alert.get("version"),
        alert.get("message"),
        alert.get("seen_by"),
        moment(alert.get("closed_at")),
    ]
