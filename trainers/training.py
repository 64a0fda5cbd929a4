"""The train verb: from a recipe to a model that was measured on rows it has not seen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sklearn.pipeline import Pipeline

from registry.serving.frames import to_frame
from registry.signature import Column, Output, Signature
from trainers.column_ranges import column_ranges
from trainers.columns import Values, check_feature, check_magnitude, type_column
from trainers.data import BUNDLED_TARGET, Table, is_bundled, read_table
from trainers.errors import ColumnNotFound, ColumnRefused, RecipeRefused, TargetRefused
from trainers.estimators import FAMILIES
from trainers.estimators.family import LARGEST_SQUARED, Family, recorded_params
from trainers.evaluation import Rows, evaluate
from trainers.features import choose, column_transformer, plan
from trainers.fitting import Progress, fit, one_thread
from trainers.lineage import environment, lineage
from trainers.preparation import Preparation
from trainers.recipe import Recipe
from trainers.recipe_rules import metric_mistakes
from trainers.records import example
from trainers.search import search
from trainers.split import Keys, Split, folds, read_keys, split_rows
from trainers.target import Target, read_target
from trainers.trained import TrainedModel

if TYPE_CHECKING:
    import pandas as pd

Stage = Callable[[str], None]


def _silent(text: str) -> None:
    """Take no notice of what is being done."""


def train(
    recipe: Recipe, *, stage: Stage = _silent, progress: Progress | None = None
) -> TrainedModel:
    """Read the data, fit on a part of the rows, evaluate on the rest.

    ``stage`` is told, in a few words, what is being done; ``progress`` how much of it, where that
    is known. The model that is kept is the one that was evaluated. The same recipe, data and seed
    give the same predictions and metrics, on one core or many.

    Raises TrainingRefused, in the class that says what is wrong.
    """
    family = FAMILIES[recipe.kind]
    stage(f"reading {recipe.data}")
    table = read_table(recipe.data)
    target = _target(table, recipe)
    prepared = _prepare(table, recipe, target, family)
    keys = _keys(table, recipe, target)
    split = split_rows(
        target, recipe.test_size, recipe.seed, table.source, rule=recipe.split, keys=keys
    )
    _check_training_part(prepared, split)
    rows = Rows(prepared.frame, target.values)
    train_rows, test_rows = rows.take(split.train), rows.take(split.test)
    estimator = family.build(target.task, recipe.params, recipe.seed)
    pipeline = Pipeline([("features", prepared.transformer), ("model", estimator)])
    found = None
    if recipe.search is not None:
        stage(f"trying {recipe.search.candidates:,} candidates by {recipe.search.folds} folds")
        inner = folds(
            target, split.train, recipe.search.folds, recipe.seed, rule=recipe.split, keys=keys
        )
        found = search(recipe, pipeline, target.task, rows, inner, progress)
        estimator.set_params(**found.params)
    stage(f"fitting {_described(family, estimator)} on {len(train_rows):,} rows")
    fitted = fit(pipeline, train_rows.features, train_rows.target, family, progress)
    stage(f"evaluating on {len(test_rows):,} rows")
    with one_thread():
        evaluation = evaluate(pipeline, target.task, train_rows, test_rows, recipe.seed)
    notes = [*_dropped_note(target), *(found.notes if found else ()), *fitted]
    kept = {
        "dropped_rows": target.dropped_count,
        "notes": list(dict.fromkeys(notes)),
        "columns": column_ranges(prepared.columns, split.train),
        **({} if found is None else {"search": found.record}),
    }
    return TrainedModel(
        recipe=recipe,
        pipeline=pipeline,
        kind=recipe.kind,
        task=target.task,
        signature=_with_classes(prepared.signature, pipeline, target),
        metrics=evaluation.metrics,
        baseline=evaluation.baseline,
        evaluation=kept | evaluation.to_json(),
        params=recorded_params(pipeline[-1]),
        input_example=example(train_rows.features, prepared.signature),
        lineage=lineage(recipe, table),
        environment=environment(),
        notes=tuple(kept["notes"]),
        held_out=test_rows.features,
    )


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The rows whose target is there, as the models see them, and how they will be encoded."""

    columns: tuple[Values, ...]
    signature: Signature
    frame: "pd.DataFrame"
    transformer: Any


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


def _prepare(table: Table, recipe: Recipe, target: Target, family: Family) -> _Prepared:
    columns = []
    inputs = []
    treatments = {}
    for name in choose(table.columns, recipe, target.name):
        values = type_column(name, table.frame[name])
        how = recipe.columns.get(name, Preparation())
        check_feature(values)
        check_magnitude(values, family.largest)
        treatments[name] = plan(values, how, scaled=family.scaled)
        # Whoever says how a column is filled wants it to be left out now and then.
        is_filled = how.impute not in {None, "none"}
        inputs.append(Column(name, values.type, nullable=bool(values.missing_count) or is_filled))
        columns.append(values.of_rows(target.kept))
    signature = Signature(tuple(inputs), Output(target.name, target.type))
    frame = to_frame({values.name: values.array for values in columns}, signature)
    return _Prepared(tuple(columns), signature, frame, column_transformer(treatments))


def _check_training_part(prepared: _Prepared, split: Split) -> None:
    for values in prepared.columns:
        if values.missing[split.train].all():
            raise ColumnRefused(
                values.name,
                "has no value in the rows to train on",
                "It is nearly empty: exclude it, or fill it.",
            )


def _with_classes(signature: Signature, pipeline: Pipeline, target: Target) -> Signature:
    if target.task == "regression":
        return signature
    classes = tuple(pipeline.classes_.tolist())
    return Signature(signature.inputs, Output(target.name, target.type, classes))


def _described(family: Family, estimator: Any) -> str:
    trees = getattr(estimator, "n_estimators", None)
    return f"{trees} trees" if trees is not None else f"a {family.kind} model"


def _dropped_note(target: Target) -> list[str]:
    count = target.dropped_count
    if not count:
        return []
    rows = "1 row" if count == 1 else f"{count:,} rows"
    return [f"{rows} without '{target.name}' left out"]
