"""``hotswap models``."""

import click

from cli.formatting import moment
from cli.pairs import TagPair
from cli.service import json_option, speaks_to_service
from cli.terminal import Column, print_json, print_table
from cli.versions import main_metrics
from hotswap import Registry
from hotswap.replies import LiveVersion, Model

COLUMNS = [
    Column("Model"),
    Column("Last version", right=True),
    Column("Aliases"),
    Column("Tags"),
    Column("Description"),
]

LIVE = [
    Column("Model"),
    Column("Alias"),
    Column("Version", right=True),
    Column("Kind"),
    Column("Metrics"),
    Column("Since"),
    Column("By"),
    Column("Reason"),
    Column("Roll back to", right=True),
    Column("Newest", right=True),
]


@click.command
@click.option("--query", metavar="TEXT", help="Only models whose name contains TEXT.")
@click.option("--tag", type=TagPair(), help="Only models with this tag.")
@click.option(
    "--sort",
    metavar="FIELD",
    help="name, updated, requests or failures, the last two of this hour and the one before "
    "(-: descending).",
)
@click.option("--live", is_flag=True, help="Show what is live: a line for each alias.")
@json_option
@speaks_to_service
def models(
    registry: Registry,
    *,
    query: str | None,
    tag: tuple[str, str] | None,
    sort: str | None,
    live: bool,
    as_json: bool,
) -> None:
    """List the models.

    \b
    Example:
      hotswap models --query hous --tag team=pricing
      hotswap models --live --sort=-updated
    """
    found = list(registry.models(query, tag, sort=sort, live=live))
    empty = "No model matches." if query or tag else "There are no models yet."
    if as_json:
        print_json(found)
        return
    if live:
        print_table(LIVE, (row for model in found for row in _live_rows(model)), empty)
        return
    rows = [
        [
            model.get("name"),
            model.get("last_version"),
            model.get("aliases"),
            model.get("tags"),
            model.get("description"),
        ]
        for model in found
    ]
    print_table(COLUMNS, rows, empty)


def _live_rows(model: Model) -> list[list[object]]:
    """A row for each alias of the model; one if it has none."""
    name, newest = model.get("name"), model.get("newest_ready")
    return [
        [
            name,
            one.get("alias"),
            one.get("version"),
            one.get("kind"),
            main_metrics(one),
            moment(one.get("since")),
            one.get("by"),
            one.get("reason"),
            one.get("rollback_to"),
            newest,
        ]
        for one in model.get("live") or [LiveVersion()]
    ]
