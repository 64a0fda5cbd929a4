"""``hotswap recipe``."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from cli.exits import WRONG_USAGE, CommandFailed
from cli.file_flags import FileFlags, file_flags, file_settings
from cli.names import ModelName
from cli.rollout_plans import plan_at
from cli.service import json_option
from cli.stages import Stages
from cli.terminal import print_json
from cli.training_refusals import refusals
from registry.storage.durable import write_whole
from trainers.bundled import BUNDLED_PREFIX, is_bundled
from trainers.model_kinds import TRAINED_KINDS, TrainedKind

if TYPE_CHECKING:  # it imports scikit-learn, which --help must not wait for
    from trainers.recipe import Recipe

STDOUT = "-"


@click.group
def recipe() -> None:
    """Write or check a recipe for training."""


@recipe.command
@click.argument("data")
@click.option("--target", metavar="COLUMN", default="", help="Column to predict.")
@click.option("--kind", type=click.Choice(TRAINED_KINDS), default="forest", show_default=True)
@click.option("--name", type=ModelName(), help="Model to upload to.  [default: from DATA]")
@file_flags
@click.option("--out", metavar="FILE", help="Output file; - for stdout.  [default: NAME.toml]")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(
    *,
    data: str,
    target: str,
    kind: TrainedKind,
    name: str | None,
    out: str | None,
    force: bool,
    **flags: Unpack[FileFlags],
) -> None:
    """Write a recipe for DATA, with a comment on each of its columns.

    DATA is a file (CSV, Parquet, Feather, JSON lines, Excel), or a data set of scikit-learn such as
    sklearn:iris. The recipe has what was found out about the file and the types of its columns.

    \b
    Example:
      hotswap recipe init housing.csv --target median_house_value
      hotswap train --recipe housing.toml
    """
    if not target and not is_bundled(data):
        raise click.UsageError("Missing option '--target': the column to predict.")
    name = name or _model_name(data)
    file = None if out == STDOUT else Path(out or f"{name}.toml")
    if file is not None and file.exists() and not force:
        raise CommandFailed(
            f"{file} exists.", WRONG_USAGE, advice="Give --out FILE, or --force to overwrite it."
        )
    base = Path() if file is None else file.parent
    shown = data if is_bundled(data) else Path(os.path.relpath(data, base)).as_posix()
    settings = file_settings(flags)
    with refusals(), Stages() as stage:
        stage(f"reading {data}")
        from trainers.recipe import Recipe
        from trainers.recipe_writing import write_recipe

        text = write_recipe(data, target, kind, name, shown, settings=settings)
        Recipe.from_toml(text)
    if file is None:
        click.echo(text, nl=False)
        return
    write_whole(file, text.encode(), 0o644)
    click.echo(f"Wrote {file}. Train it: hotswap train --recipe {file}")


@recipe.command
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--with-data", is_flag=True, help="Also read the data and check every column.")
@json_option
def check(file: Path, *, with_data: bool, as_json: bool) -> None:
    """Check the recipe in FILE and report every mistake with its line.

    \b
    Example:
      hotswap recipe check housing.toml --with-data
    """
    with refusals(), Stages() as stage:
        stage("loading scikit-learn")  # it checks the parameters
        from trainers.recipe import Recipe

        read = Recipe.from_toml(file)
        if read.rollout:
            plan_at(Path(read.rollout))
        if with_data:
            from trainers.preparing import prepare

            prepare(read, stage=stage)
    if as_json:
        print_json({"recipe": read.to_json(), "recipe_sha256": read.sha256})
    else:
        click.echo(_said(file, read, with_data=with_data))


def _said(file: Path, read: "Recipe", *, with_data: bool) -> str:
    fits = f" and fits {read.data}" if with_data else ""
    return f"{file} is valid{fits}. Its digest is {read.sha256}."


def _model_name(data: str) -> str:
    stem = data.removeprefix(BUNDLED_PREFIX) if is_bundled(data) else Path(data).stem
    kept = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in stem).strip("-")
    return kept[:100] or "model"
