"""The flags of ``hotswap train`` that say what to train, and the recipe that they make."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click

from cli.exits import WRONG_USAGE, CommandFailed
from cli.pairs import as_mapping
from cli.references import ModelName

if TYPE_CHECKING:  # a recipe brings scikit-learn with it, which --help must not wait for
    from trainers.recipe import Recipe

KINDS = ("linear", "logistic", "tree", "forest")
TASKS = ("regression", "classification")


class RecipeFlags(TypedDict):
    """What the flags gave; None, or nothing in it, where one was left out."""

    data: str | None
    recipe: Path | None
    target: str | None
    kind: str | None
    name: str | None
    task: str | None
    features: tuple[str, ...]
    exclude: tuple[str, ...]
    params: tuple[str, ...]
    test_size: float | None
    seed: int | None
    description: str | None


_FLAGS = [
    click.argument("data", required=False),
    click.option(
        "--recipe",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Recipe (TOML); DATA and the flags below override what it says.",
    ),
    click.option("--target", metavar="COLUMN", help="Column to predict."),
    click.option("--kind", type=click.Choice(KINDS), help="What sort of model."),
    click.option("--name", type=ModelName(), help="Model to upload it to as a new version."),
    click.option(
        "--task", type=click.Choice(TASKS), help="For trees and forests, if the target misleads."
    ),
    click.option(
        "--features", metavar="A,B", multiple=True, help="Columns to learn from.  [default: all]"
    ),
    click.option("--exclude", metavar="C", multiple=True, help="Columns to leave out."),
    click.option(
        "--param",
        "params",
        metavar="K=V",
        multiple=True,
        help="Parameter of the estimator; may come repeatedly.",
    ),
    click.option(
        "--test-size",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        metavar="SHARE",
        help="Share of rows to evaluate on.  [default: 0.2]",
    ),
    click.option("--seed", type=click.IntRange(0, 2**32 - 1), metavar="N", help="[default: 0]"),
    click.option("--description", metavar="TEXT", help="What a reader should know of it."),
]


def recipe_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give ``command`` the argument and the options of RecipeFlags."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


@contextmanager
def refusals() -> Iterator[None]:
    """What the trainers refuse is wrong usage, and their words say how."""
    from trainers.errors import TrainingRefused

    try:
        yield
    except TrainingRefused as error:
        raise CommandFailed(str(error), WRONG_USAGE) from error


def recipe_of(flags: RecipeFlags) -> "Recipe":
    """The recipe that the flags make, over the one of --recipe where there is one.

    Raises click.UsageError where something needed was not given, TrainingRefused where it cannot
    be trained so.
    """
    from trainers.recipe import Recipe

    if flags["recipe"] is None:
        return Recipe(**_given(_sufficient(flags), {}))
    base = Recipe.from_toml(flags["recipe"])
    return replace(base, **_given(flags, base.params))


def _sufficient(flags: RecipeFlags) -> RecipeFlags:
    if flags["data"] is None:
        raise click.UsageError("Missing argument 'DATA': a CSV or Parquet file, or sklearn:iris.")
    if flags["kind"] is None:
        raise click.UsageError(f"Missing option '--kind': one of {', '.join(KINDS)}.")
    if flags["target"] is None and not flags["data"].startswith("sklearn:"):
        raise click.UsageError("Missing option '--target': the column to predict.")
    return flags


def _given(flags: RecipeFlags, base_params: Any) -> dict[str, Any]:
    from trainers.recipe import parse_parameter

    simple = ("data", "target", "kind", "name", "task", "test_size", "seed", "description")
    # A TypedDict takes only literal keys, and these are all its own.
    values: dict[str, Any] = {
        key: flags[key]  # type: ignore[literal-required]
        for key in simple
        if flags[key] is not None  # type: ignore[literal-required]
    }
    if flags["features"]:
        values["features"] = _columns(flags["features"])
    if flags["exclude"]:
        values["exclude"] = _columns(flags["exclude"])
    if flags["params"]:
        params = as_mapping(map(parse_parameter, flags["params"]), "--param")
        values["params"] = {**base_params, **params}
    return values


def _columns(texts: tuple[str, ...]) -> tuple[str, ...]:
    # Read as lines of CSV, so that a column with a comma in its name can be given in quotes.
    rows = csv.reader(texts, skipinitialspace=True)
    return tuple(name.strip() for row in rows for name in row if name.strip())
