"""``hotswap models``."""

import click

from cli.pairs import TagPair
from cli.service import json_option, speaks_to_service
from cli.terminal import Column, print_json, print_table
from hotswap import Registry

COLUMNS = [
    Column("Model"),
    Column("Last version", right=True),
    Column("Aliases"),
    Column("Tags"),
    Column("Description"),
]


@click.command
@click.option("--query", metavar="TEXT", help="Only models whose name contains TEXT.")
@click.option("--tag", type=TagPair(), help="Only models with this tag.")
@json_option
@speaks_to_service
def models(
    registry: Registry, query: str | None, tag: tuple[str, str] | None, as_json: bool
) -> None:
    """List the models.

    \b
    Example:
      hotswap models --query hous --tag team=pricing
    """
    found = list(registry.models(query, tag))
    if as_json:
        print_json(found)
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
    print_table(COLUMNS, rows, "No model matches." if query or tag else "There are no models yet.")
