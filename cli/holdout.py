"""``hotswap holdout``."""

from pathlib import Path

import click

from cli.exits import WRONG_USAGE, CommandFailed
from cli.formatting import moment, size
from cli.names import ModelName
from cli.service import json_option, speaks_to_service
from cli.terminal import Column, print_json, print_pairs, print_table
from hotswap import Registry
from hotswap.replies import Holdout

_COLUMNS = [
    Column("SHA-256"),
    Column("Rows", right=True),
    Column("Target"),
    Column("Set"),
    Column("By"),
    Column("Until"),
]


@click.command
@click.argument("name", type=ModelName())
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--target", metavar="COLUMN", help="Column to predict.  [default: that of the versions]"
)
@click.option(
    "--history", is_flag=True, help="List all holdouts of the model, including removed ones."
)
@click.option("--remove", is_flag=True, help="Remove the holdout.")
@json_option
@speaks_to_service
def holdout(
    registry: Registry,
    *,
    name: str,
    file: Path | None,
    target: str | None,
    history: bool,
    remove: bool,
    as_json: bool,
) -> None:
    """Show or set the holdout data that versions of the model NAME are measured on.

    FILE is CSV or Parquet, with the input columns of the versions and the one that they predict.

    \b
    Example:
      hotswap holdout housing holdout.parquet --target median_house_value
    """
    if (file is not None) + history + remove > 1:
        raise click.UsageError("FILE, --history and --remove are mutually exclusive.")
    if target is not None and file is None:
        raise click.UsageError("--target requires a FILE.")
    if remove:
        registry.delete_holdout(name)
        print_json(None) if as_json else click.echo(f"The holdout of {name} was removed.")
    elif history:
        found = list(registry.holdouts(name))
        print_json(found) if as_json else _print_list(found, name)
    else:
        try:
            shown = (
                registry.holdout(name)
                if file is None
                else registry.set_holdout(name, file, target=target)
            )
        except ValueError as error:
            raise CommandFailed(str(error), WRONG_USAGE) from error
        print_json(shown) if as_json else _print_one(shown)


def _print_one(shown: Holdout) -> None:
    print_pairs(
        {
            "sha256": shown.get("sha256"),
            "rows": shown.get("rows"),
            "columns": shown.get("columns"),
            "target": shown.get("target"),
            "size": size(shown.get("size", 0)),
            "set": moment(shown.get("created_at")),
            "by": shown.get("created_by"),
        }
    )


def _print_list(found: list[Holdout], name: str) -> None:
    rows = [
        [
            one.get("sha256"),
            one.get("rows"),
            one.get("target"),
            moment(one.get("created_at")),
            one.get("created_by"),
            moment(one.get("removed_at")),
        ]
        for one in found
    ]
    print_table(_COLUMNS, rows, f"{name} has never had a holdout.")
