"""``hotswap aliases``."""

from datetime import datetime

import click

from cli.formatting import moment
from cli.moments import Moment
from cli.names import AliasName, ModelName
from cli.service import json_option, speaks_to_service
from cli.splits import arms_in_words
from cli.terminal import Column, print_json, print_pairs, print_table
from hotswap import Registry
from hotswap.replies import Alias

COLUMNS = [
    Column("Alias"),
    Column("Version", right=True),
    Column("Split"),
    Column("Since"),
    Column("By"),
    Column("Reason"),
    Column("Roll back to", right=True),
    Column("Loaded in"),
]


@click.command
@click.argument("name", type=ModelName())
@click.argument("alias", type=AliasName(), required=False)
@click.option(
    "--at",
    type=Moment(),
    metavar="TIME",
    help="Show what ALIAS pointed at at this time, such as 2026-11-21T06:00Z.",
)
@json_option
@speaks_to_service
def aliases(
    registry: Registry, *, name: str, alias: str | None, at: datetime | None, as_json: bool
) -> None:
    """Show the aliases of the model NAME, or one of them: the version that it points at, since
    when, by whom and why, and what a rollback would point it at.

    Times are UTC unless they have a zone.

    \b
    Example:
      hotswap aliases housing
      hotswap aliases housing production --at 2026-11-21T06:00
    """
    if alias is not None:
        found = registry.alias(name, alias, at)
        print_json(found) if as_json else print_pairs(_facts(found))
        return
    if at is not None:
        raise click.UsageError("--at requires an ALIAS, such as production.")
    listed = list(registry.aliases(name))
    if as_json:
        print_json(listed)
        return
    print_table(COLUMNS, map(_row, listed), f"{name} has no aliases.")


def _row(alias: Alias) -> list[object]:
    return [
        alias["alias"],
        alias["version"],
        arms_in_words(alias.get("split")),
        moment(alias.get("since")),
        alias.get("by"),
        alias.get("reason"),
        alias.get("rollback_to"),
        _loaded_in(alias),
    ]


def _loaded_in(alias: Alias) -> str | None:
    if "loaded_in" not in alias or "workers" not in alias:
        return None
    return f"{alias['loaded_in']} of {alias['workers']} workers"


def _facts(alias: Alias) -> dict[str, object]:
    facts: dict[str, object] = {
        "alias": alias["alias"],
        "version": alias["version"],
        "since": moment(alias.get("since")),
        "by": alias.get("by"),
        "reason": alias.get("reason"),
        "rolled back": alias.get("rolled_back"),
        "forced": alias.get("forced"),
    }
    if "until" in alias:
        facts["until"] = moment(alias["until"])
    else:
        facts["split"] = arms_in_words(alias.get("split"))
        facts["trail"] = alias.get("trail")
        facts["loaded in"] = _loaded_in(alias)
    return facts
