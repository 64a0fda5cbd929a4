"""From a recipe to rows that can be fitted on; what is wrong with the data is found here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from registry.codecs.data_frame import to_frame
from registry.signature import Column, Output, Signature
from trainers.columns import Values, check_feature, check_magnitude, type_column
from trainers.data import BUNDLED_TARGET, Table, is_bundled, read_table
from trainers.errors import ColumnNotFound, ColumnRefused, RecipeRefused, TargetRefused
from trainers.estimators import FAMILIES
from trainers.estimators.family import LARGEST_SQUARED
from trainers.evaluation import Rows
from trainers.features import Treatment, choose, column_transformer, plan
from trainers.preparation import Preparation
from trainers.recipe import Recipe
from trainers.recipe_rules import metric_mistakes
from trainers.split import Keys, Split, folds, read_keys, split_rows
from trainers.target import Target, read_target

Stage = Callable[[str], None]


def silent(text: str) -> None:
    """Take no notice of what is being done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A table as the models see it: ``rows`` are those whose target is there, ``columns`` what they
    hold, ``transformer`` how they will be encoded. ``split`` and ``folds``, those of a search, are
    numbers of rows."""

    table: Table
    target: Target
    columns: tuple[Values, ...]
    signature: Signature
    rows: Rows
    transformer: Any
    split: Split
    folds: tuple[Split, ...]


def prepare(recipe: Recipe, *, stage: Stage = silent) -> Ready:
    """Read the data, choose and type the columns, divide the rows.

    Raises TrainingRefused, in the class that says what is wrong.
    """
    stage(f"reading {recipe.data}")
    table = read_table(recipe.data)
    target = _target(table, recipe)
    columns, signature, treatments = _columns(table, recipe, target)
    frame = to_frame({values.name: values.array for values in columns}, signature)
    keys = _keys(table, recipe, target)
    split = split_rows(
        target, recipe.test_size, recipe.seed, table.source, rule=recipe.split, keys=keys
    )
    _check_training_part(columns, split)
    return Ready(
        table=table,
        target=target,
        columns=columns,
        signature=signature,
        rows=Rows(frame, target.values),
        transformer=column_transformer(treatments),
        split=split,
        folds=_folds(recipe, target, split, keys),
    )


def _target(table: Table, recipe: Recipe) -> Target:
    name = recipe.target or (BUNDLED_TARGET if is_bundled(recipe.data) else "")
    if name not in table.columns:
        raise ColumnNotFound("target", name, table.columns, recipe.origin.where(("target",)))
    try:
        values = type_column(name, table.frame[name])
        check_magnitude(values, LARGEST_SQUARED)
    except ColumnRefused as error:
        raise TargetRefused(name, error.what, "Mend it, or choose another target.") from error
    target = read_target(values, recipe.kind, recipe.task)
    mistakes = metric_mistakes(recipe.search, recipe.gates, (target.task,))
    if mistakes:
        raise RecipeRefused(recipe.origin.told(mistakes), recipe.origin.source)
    return target


def _keys(table: Table, recipe: Recipe, target: Target) -> Keys | None:
    name = recipe.split.column
    return read_keys(name, table.frame.loc[target.kept, name], recipe.split) if name else None


def _folds(
    recipe: Recipe, target: Target, split: Split, keys: Keys | None
) -> tuple[Split, ...]:  # fmt: skip
    if recipe.search is None:
        return ()
    count = recipe.search.folds
    made = folds(target, split.train, count, recipe.seed, rule=recipe.split, keys=keys)
    return tuple(made)


def _columns(
    table: Table, recipe: Recipe, target: Target
) -> tuple[tuple[Values, ...], Signature, dict[str, Treatment]]:
    columns = []
    inputs = []
    treatments = {}
    for name in choose(table.columns, recipe, target.name):
        how = recipe.columns.get(name, Preparation())
        values, treatments[name] = _column(table, recipe, name, how)
        # Whoever says how a column is filled wants it to be left out now and then.
        is_filled = how.impute not in {None, "none"}
        inputs.append(Column(name, values.type, nullable=bool(values.missing_count) or is_filled))
        columns.append(values.of_rows(target.kept))
    return tuple(columns), Signature(tuple(inputs), Output(target.name, target.type)), treatments


def _column(table: Table, recipe: Recipe, name: str, how: Preparation) -> tuple[Values, Treatment]:
    family = FAMILIES[recipe.kind]
    try:
        values = type_column(name, table.frame[name])
        check_feature(values)
        check_magnitude(values, family.largest)
        return values, plan(values, how, scaled=family.scaled)
    except ColumnRefused as error:
        if name not in recipe.columns:
            raise
        where = recipe.origin.where(("columns", name))
        raise ColumnRefused(name, error.what, error.advice, where) from error


def _check_training_part(columns: tuple[Values, ...], split: Split) -> None:
    for values in columns:
        if values.missing[split.train].all():
            raise ColumnRefused(
                values.name,
                "has no value in the rows to train on",
                "It is nearly empty: exclude it, or fill it.",
            )
