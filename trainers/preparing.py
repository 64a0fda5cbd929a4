"""Reads and checks the data of a recipe, and makes the rows to fit on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from registry.codecs.data_frame import to_frame
from registry.signature import Column, Output, Signature
from trainers.bundled import BUNDLED_TARGET
from trainers.columns import feature_column
from trainers.data import Dataset, read_dataset
from trainers.errors import (
    ClassTooRare,
    ColumnRefused,
    ColumnsRefused,
    RecipeRefused,
    SampleTooSmall,
    TargetConstant,
    TooFewRows,
)
from trainers.estimators import family_of
from trainers.evaluation import Rows
from trainers.features import Treatment, choose, column_transformer, encoding_notes, plan
from trainers.inferred import Inferred, inferred
from trainers.memory import check_memory
from trainers.preparation import DeclaredType, Preparation
from trainers.recipe import Recipe
from trainers.recipe_rules import metric_mistakes, possible_tasks
from trainers.sampling import SampleRule
from trainers.split import Keys, Split, folds, read_keys, split_rows
from trainers.target import Target, read_target, target_column
from trainers.term_limits import term_limit
from trainers.values import Values

Stage = Callable[[str], None]


def silent(text: str) -> None:
    """Ignore the name of a stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Data ready to fit on: ``rows`` are those that have a target, ``columns`` their values by
    column, ``inferred`` what was found out about the columns and the target, ``transformer`` the
    preprocessing. ``split``, and the ``folds`` of a search, are row numbers."""

    dataset: Dataset
    target: Target
    columns: tuple[Values, ...]
    inferred: tuple[Inferred, ...]
    signature: Signature
    rows: Rows
    transformer: Any
    notes: tuple[str, ...]
    split: Split
    folds: tuple[Split, ...]


def prepare(recipe: Recipe, *, stage: Stage = silent, memory: int | None = None) -> Ready:
    """Read the data, choose and type the columns, divide the rows.

    A table that would take more than ``memory`` bytes is refused before it is read. Raises a
    subclass of TrainingRefused.
    """
    if memory is not None:
        stage(f"estimating the memory for {recipe.data}")
        check_memory(recipe, memory)
    stage(f"reading {recipe.data}")
    dataset = read_dataset(
        recipe.data, recipe.file, as_text=_kept_texts(recipe), sample=_sample(recipe)
    )
    with _from(dataset):
        return _prepared(recipe, dataset)


@contextmanager
def _from(dataset: Dataset) -> Iterator[None]:
    """Raise SampleTooSmall for what a sample may lack and the whole data may have."""
    try:
        yield
    except (TooFewRows, TargetConstant, ClassTooRare) as error:
        drawn = dataset.sampled
        if drawn is None or drawn.rows == drawn.of:
            raise
        raise SampleTooSmall(drawn.rows, drawn.of, error) from error


def _prepared(recipe: Recipe, dataset: Dataset) -> Ready:
    predicted = _target_column(dataset, recipe)
    target = _target(predicted, recipe)
    columns, signature, treatments = _columns(dataset, recipe, target)
    frame = to_frame({values.name: values.array for values in columns}, signature)
    keys = _keys(dataset, recipe, target)
    split = split_rows(
        target, recipe.test_size, recipe.seed, dataset.source, rule=recipe.split, keys=keys
    )
    _check_training_part(columns, split)
    texts = [name for name, treatment in treatments.items() if treatment.encode == "terms"]
    family = family_of(recipe.kind)
    max_terms = term_limit(texts, family, len(split.train))
    return Ready(
        dataset=dataset,
        target=target,
        columns=columns,
        inferred=inferred(columns, treatments, target, predicted),
        signature=signature,
        rows=Rows(frame, target.values),
        transformer=column_transformer(
            treatments,
            target_type=_target_type(target),
            seed=recipe.seed,
            max_terms=max_terms,
            dense=family.dense,
        ),
        notes=tuple(encoding_notes(columns, treatments, max_terms)),
        split=split,
        folds=_folds(recipe, target, split, keys),
    )


def _sample(recipe: Recipe) -> SampleRule | None:
    if recipe.sample is None:
        return None
    tasks = possible_tasks(recipe.kind, recipe.task)
    task = tasks[0] if len(tasks) == 1 else None
    return SampleRule(recipe.sample, recipe.seed, recipe.target, task)


def _target_column(dataset: Dataset, recipe: Recipe) -> Values:
    # Only a bundled set may leave its target unnamed.
    how = recipe.columns.get(recipe.target or BUNDLED_TARGET, Preparation())
    where = recipe.origin.where(("target",))
    return target_column(dataset, recipe.target, where, how.type)


def _target(values: Values, recipe: Recipe) -> Target:
    target = read_target(values, recipe.kind, recipe.task)
    mistakes = metric_mistakes(recipe.search, recipe.gates, (target.task,))
    if mistakes:
        raise RecipeRefused(recipe.origin.described(mistakes), recipe.origin.source)
    return target


def _kept_texts(recipe: Recipe) -> frozenset[str]:
    """The columns whose cells are kept as they are written, because they are declared texts
    (01234 is not 1234) or are left out."""
    kept: set[DeclaredType | None] = {"category", "text", "date"}
    texts = {name for name, how in recipe.columns.items() if how.type in kept or how.drop}
    return frozenset(texts | ({*recipe.exclude} - {recipe.split.column}))


def _keys(dataset: Dataset, recipe: Recipe, target: Target) -> Keys | None:
    name = recipe.split.column
    if not name:
        return None
    return read_keys(name, dataset.frame.loc[target.kept, name], recipe.split, dataset.rules)


def _folds(
    recipe: Recipe, target: Target, split: Split, keys: Keys | None
) -> tuple[Split, ...]:  # fmt: skip
    if recipe.search is None:
        return ()
    count = recipe.search.folds
    made = folds(target, split.train, count, recipe.seed, rule=recipe.split, keys=keys)
    return tuple(made)


def _columns(
    dataset: Dataset, recipe: Recipe, target: Target
) -> tuple[tuple[Values, ...], Signature, dict[str, Treatment]]:
    columns = []
    inputs = []
    treatments = {}
    refused = []
    for name in choose(dataset.columns, recipe, target.name):
        how = recipe.columns.get(name, Preparation())
        try:
            values, treatments[name] = _column(dataset, recipe, name, how)
        except ColumnRefused as error:
            refused.append(
                error.at(recipe.origin.where(("columns", name)) if name in recipe.columns else "")
            )
            continue
        # A column that the recipe says how to fill may be null in requests.
        is_filled = how.impute not in {None, "none"}
        inputs.append(Column(name, values.type, nullable=bool(values.missing_count) or is_filled))
        columns.append(values.of_rows(target.kept))
    if refused:
        raise refused[0] if len(refused) == 1 else ColumnsRefused(refused)
    return tuple(columns), Signature(tuple(inputs), Output(target.name, target.type)), treatments


def _column(
    dataset: Dataset, recipe: Recipe, name: str, how: Preparation
) -> tuple[Values, Treatment]:
    family = family_of(recipe.kind)
    series = dataset.frame[name]
    values = feature_column(name, series, family.largest, how.type, dataset.rules)
    return values, plan(values, how, scaled=family.scaled, takes_missing=family.takes_missing)


def _target_type(target: Target) -> str:
    """What a target encoder has to be told: whole numbers could be classes."""
    if target.task == "regression":
        return "continuous"
    return "binary" if len(set(target.values.tolist())) == 2 else "multiclass"


def _check_training_part(columns: tuple[Values, ...], split: Split) -> None:
    for values in columns:
        if values.missing[split.train].all():
            raise ColumnRefused(
                values.name,
                "has no value in the rows to train on",
                "Exclude it, or fill it.",
            )
