"""``hotswap holdout``."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from cli.exits import WRONG_USAGE, CommandFailed
from cli.file_flags import FileFlags, file_flags, file_keys, file_settings
from cli.formatting import moment, size
from cli.gates import trained_on
from cli.holding_out import cut, in_requested_form
from cli.names import ModelName
from cli.service import json_option, speaks_to_service
from cli.terminal import Column, print_json, print_pairs, print_table
from hotswap import Registry
from hotswap.errors import NotFound
from hotswap.problems import ModelNotFound, NameTaken
from hotswap.replies import Holdout

if TYPE_CHECKING:  # other commands must not wait for what training imports
    from trainers.file_settings import FileSettings

_COLUMNS = [
    Column("SHA-256"),
    Column("Rows", right=True),
    Column("Target"),
    Column("Set"),
    Column("By"),
    Column("Until"),
]


FRACTION = 0.2


class _Flags(FileFlags):
    file: Path | None
    target: str | None
    history: bool
    remove: bool
    split: Path | None
    fraction: float | None
    seed: int | None


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
@click.option(
    "--split",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="TABLE",
    help="Cut the holdout off TABLE, and write the other rows beside it.",
)
@click.option(
    "--fraction",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of the rows that --split holds out.  [default: 0.2]",
)
@click.option("--seed", type=int, help="Seed of --split.  [default: 0]")
@file_flags
@json_option
@speaks_to_service
def holdout(registry: Registry, *, name: str, as_json: bool, **flags: Unpack[_Flags]) -> None:
    """Show or set the holdout data that versions of the model NAME are measured on.

    FILE is CSV or Parquet, with the input columns of the versions and the one that they predict.
    Of CSV, the cells that mean a missing value are those that the newest version was trained with.
    With --split, TABLE.csv becomes TABLE-holdout.csv, which is set as the holdout, and
    TABLE-training.csv, which versions are to be trained on. The model is created if it does not
    exist. Options such as --na-values say how FILE or TABLE is written, as for train.

    \b
    Example:
      hotswap holdout housing holdout.parquet --target median_house_value
      hotswap holdout housing --split housing.csv --target median_house_value --fraction 0.2
    """
    _check(flags)
    file, target = flags["file"], flags["target"]
    if flags["remove"]:
        registry.delete_holdout(name)
        print_json(None) if as_json else click.echo(f"The holdout of {name} was removed.")
    elif flags["history"]:
        found = list(registry.holdouts(name))
        print_json(found) if as_json else _print_list(found, name)
    elif (table := flags["split"]) is not None:
        target = target or _target(registry, name)
        fraction, seed = flags["fraction"] or FRACTION, flags["seed"] or 0
        with cut(table, target, fraction, seed, file_settings(flags)) as files:
            try:
                shown = _set(registry, name, files.holdout, target)
            except ModelNotFound:
                with suppress(NameTaken):  # it was created in the meantime
                    registry.create_model(name)
                shown = _set(registry, name, files.holdout, target)
        print_json({**shown, "files": files.to_json()}) if as_json else _print_one(shown)
        if not as_json:
            click.echo(f"Wrote {files.holdout} and {files.rest}. Train on {files.rest}.")
    else:
        shown = registry.holdout(name) if file is None else _set_file(registry, name, file, flags)
        print_json(shown) if as_json else _print_one(shown)


def _check(flags: _Flags) -> None:
    ways = [flags["file"] is not None, flags["split"] is not None]
    if sum(ways) + flags["history"] + flags["remove"] > 1:
        raise click.UsageError("FILE, --split, --history and --remove are mutually exclusive.")
    if flags["target"] is not None and not any(ways):
        raise click.UsageError("--target requires a FILE or --split.")
    for option in ("fraction", "seed"):
        if flags.get(option) is not None and flags["split"] is None:
            raise click.UsageError(f"--{option} requires --split.")
    for option in FileFlags.__annotations__:
        if flags.get(option) and not any(ways):
            raise click.UsageError(f"--{option.replace('_', '-')} requires a FILE or --split.")


def _set_file(registry: Registry, name: str, file: Path, flags: _Flags) -> Holdout:
    """Set ``file``, with its cells as requests have them if it is known how they are written."""
    settings = _settings(registry, name, flags) if file.suffix.lower() == ".csv" else None
    if settings is None:
        return _set(registry, name, file, flags["target"])
    with in_requested_form(file, settings) as written:
        return _set(registry, name, written, flags["target"])


def _settings(registry: Registry, name: str, flags: _Flags) -> "FileSettings | None":
    """Those of the options, and the ``na_values`` that the newest version was trained with; None if
    there are neither.

    How numbers are written is not taken from the version: it differs between files.
    """
    try:
        recipe = registry.version(name, "latest")["lineage"].get("recipe")
    except NotFound:
        recipe = None
    if not isinstance(recipe, Mapping):  # it was not trained by 'hotswap train'
        return file_settings(flags) if file_keys(flags) else None
    recorded = recipe.get("na_values")
    if flags["na_values"] or not isinstance(recorded, list):
        return file_settings(flags)
    return replace(file_settings(flags), na_values=tuple(map(str, recorded)))


def _set(registry: Registry, name: str, file: Path, target: str | None) -> Holdout:
    try:
        return registry.set_holdout(name, file, target=target)
    except ValueError as error:
        raise CommandFailed(str(error), WRONG_USAGE) from error


def _target(registry: Registry, name: str) -> str:
    """What the newest version predicts."""
    try:
        return str(registry.version(name, "latest")["signature"]["output"]["name"])
    except NotFound as error:
        raise click.UsageError(
            "Missing option '--target': the model has no version yet."
        ) from error


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
    for one in shown.get("trained_on") or ():
        said = trained_on(one["version"], one["rows"], shown.get("rows", 0))
        if said is not None:
            click.echo(f"Note: {said}")


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
