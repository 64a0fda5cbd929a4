"""The options of ``hotswap train`` that make a recipe."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.column_names import column_names, prepared_column
from cli.file_flags import FILE_FLAGS, FileFlags, file_keys
from cli.names import ModelName
from cli.pairs import as_mapping
from registry.signature import TASKS
from trainers.bundled import is_bundled
from trainers.model_kinds import TRAINED_KINDS
from trainers.search_space import SEARCH_METHODS

if TYPE_CHECKING:  # a recipe imports scikit-learn, which --help must not wait for
    from trainers.origin import Origin
    from trainers.recipe import Recipe


class RecipeFlags(FileFlags):
    """The values of the options; None or empty for those that were not given."""

    data: str | None
    recipe: Path | None
    target: str | None
    kind: str | None
    name: str | None
    task: str | None
    features: tuple[str, ...]
    exclude: tuple[str, ...]
    params: tuple[str, ...]
    prepare: tuple[str, ...]
    sample: int | None
    test_size: float | None
    split: str | None
    search: str | None
    tried: tuple[str, ...]
    folds: int | None
    draws: int | None
    metric: str | None
    seed: int | None
    gates: tuple[str, ...]
    strict: bool
    description: str | None


_FLAGS = [
    click.argument("data", required=False),
    click.option(
        "--recipe",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Recipe (TOML); DATA and the options below override its values.",
    ),
    click.option("--target", metavar="COLUMN", help="Column to predict."),
    click.option("--kind", type=click.Choice(TRAINED_KINDS), help="Kind of model."),
    click.option("--name", type=ModelName(), help="Model to upload to as a new version."),
    click.option(
        "--task",
        type=click.Choice(TASKS),
        help="Except for linear and logistic.  [default: from the values of the target]",
    ),
    click.option(
        "--features", metavar="A,B", multiple=True, help="Columns to learn from.  [default: all]"
    ),
    click.option("--exclude", metavar="A,B", multiple=True, help="Columns to leave out."),
    click.option(
        "--param",
        "params",
        metavar="K=V",
        multiple=True,
        help="Parameter of the estimator; may be repeated.",
    ),
    click.option(
        "--sample",
        type=click.IntRange(4),
        metavar="ROWS",
        help="Train and evaluate on so many rows, drawn by the seed; classes keep their shares.",
    ),
    click.option(
        "--test-size",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        metavar="SHARE",
        help="Share of rows to evaluate on.  [default: 0.2]",
    ),
    click.option(
        "--prepare",
        metavar="C.HOW=V",
        multiple=True,
        help="How a column is prepared: income.log=true, rate.impute=median, …; may be repeated.",
    ),
    click.option(
        "--split",
        metavar="WAY[:COLUMN]",
        help="random, stratified, group:COLUMN or time:COLUMN.  [default: by the target]",
    ),
    click.option(
        "--search",
        type=click.Choice(SEARCH_METHODS),
        help="Try the parameters of --try, and use the best.",
    ),
    click.option(
        "--try",
        "tried",
        metavar="K=V",
        multiple=True,
        help="Values to try: max_depth=[4, 8], or alpha={low = 1, high = 9}; may be repeated.",
    ),
    click.option("--folds", type=int, metavar="N", help="Folds of the search.  [default: 5]"),
    click.option(
        "--draws", type=int, metavar="N", help="Candidates of a random search.  [default: 20]"
    ),
    click.option("--metric", metavar="NAME", help="Metric that the search optimises."),
    click.option("--seed", type=click.IntRange(0, 2**32 - 1), metavar="N", help="[default: 0]"),
    click.option(
        "--gate",
        "gates",
        metavar="CONDITION",
        multiple=True,
        help='Condition for a promotion: "rmse <= champion"; may be repeated.',
    ),
    click.option("--strict", is_flag=True, help="Refuse a training that has warnings."),
    *FILE_FLAGS,
    click.option("--description", metavar="TEXT", help="Description of the version."),
]


def recipe_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Add the argument and the options of RecipeFlags to ``command``."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def recipe_of(flags: RecipeFlags) -> "Recipe":
    """The recipe that the options make, based on that of --recipe if given.

    Raises click.UsageError for a missing option, TrainingRefused for an invalid recipe.
    """
    from trainers.recipe import Recipe

    if flags["recipe"] is None:
        return Recipe.from_json(_given(_complete(flags), {}), _origin({}))
    base = Recipe.from_toml(flags["recipe"])
    document = base.to_json()
    given = _given(flags, document)
    return Recipe.from_json({**document, **given}, _origin(given, base.origin))


def _origin(given: dict[str, Any], file: "Origin | None" = None) -> "Origin":
    from trainers.origin import Origin

    # Values from options have no line in the file.
    return Origin("The command") if file is None else file.without(given)


def _complete(flags: RecipeFlags) -> RecipeFlags:
    if flags["data"] is None:
        raise click.UsageError("Missing argument 'DATA': a file of data, or sklearn:iris.")
    if flags["kind"] is None:
        raise click.UsageError(f"Missing option '--kind': one of {', '.join(TRAINED_KINDS)}.")
    if flags["target"] is None and not is_bundled(flags["data"]):
        raise click.UsageError("Missing option '--target': the column to predict.")
    return flags


def _given(flags: RecipeFlags, base: dict[str, Any]) -> dict[str, Any]:
    """The keys of a recipe that the options set; their tables extend those of ``base``."""
    simple = ("data", "target", "kind", "name", "task", "sample", "test_size", "seed",
              "description")  # fmt: skip
    # mypy accepts only literal keys of a TypedDict.
    values: dict[str, Any] = {
        key: flags[key]  # type: ignore[literal-required]
        for key in simple
        if flags[key] is not None  # type: ignore[literal-required]
    }
    for key in ("features", "exclude"):
        if flags[key]:  # type: ignore[literal-required]
            values[key] = column_names(flags[key])  # type: ignore[literal-required]
    values |= file_keys(flags)
    if flags["strict"]:
        values["strict"] = True
    if flags["gates"]:
        values["gates"] = list(flags["gates"])
    if flags["params"]:
        values["params"] = {**base.get("params", {}), **_pairs(flags["params"], "--param")}
    if flags["prepare"]:
        values["columns"] = _prepared(flags["prepare"], base.get("columns", {}))
    if flags["split"] is not None:
        way, colon, column = flags["split"].partition(":")
        values["split"] = {"by": way, "column": column} if colon else {"by": way}
    search = _search(flags, base.get("search", {}))
    if search:
        values["search"] = search
    return values


def _search(flags: RecipeFlags, base: dict[str, Any]) -> dict[str, Any]:
    own = {"method": flags["search"], "folds": flags["folds"], "draws": flags["draws"],
           "metric": flags["metric"]}  # fmt: skip
    given = {key: value for key, value in own.items() if value is not None}
    if flags["tried"]:
        given["params"] = {**base.get("params", {}), **_pairs(flags["tried"], "--try")}
    if given and "method" not in {**base, **given}:
        raise click.UsageError("--try, --folds, --draws and --metric require --search.")
    if given.get("method") == "grid":
        base = {key: value for key, value in base.items() if key != "draws"}
    return {**base, **given} if given else {}


def _prepared(texts: tuple[str, ...], base: dict[str, Any]) -> dict[str, Any]:
    columns = {name: dict(how) for name, how in base.items()}
    for text in texts:
        name, pair = prepared_column(text)
        columns.setdefault(name, {}).update(_pairs((pair,), "--prepare"))
    return columns


def _pairs(texts: tuple[str, ...], option: str) -> dict[str, Any]:
    from trainers.recipe import parse_parameter

    return as_mapping(map(parse_parameter, texts), option)
