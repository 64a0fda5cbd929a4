"""The train verb: from a recipe to a model that was measured on rows it has not seen."""

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline

from registry.serving.frames import to_frame
from registry.signature import Column, Output, Record, Scalar, Signature
from trainers.columns import Values, check_feature, check_magnitude, type_column
from trainers.data import BUNDLED_TARGET, Table, is_bundled, read_table
from trainers.errors import (
    ColumnNotFound,
    ColumnRefused,
    FitRefused,
    ParameterRefused,
    TargetRefused,
)
from trainers.estimators import FAMILIES
from trainers.estimators.family import LARGEST_SQUARED, Family, recorded_params
from trainers.evaluation import Rows, evaluate
from trainers.features import choose, column_transformer, plan
from trainers.lineage import environment, lineage
from trainers.preparation import Preparation
from trainers.recipe import Recipe
from trainers.split import Split, split_rows
from trainers.target import Target, read_target
from trainers.trained import TrainedModel

if TYPE_CHECKING:
    import pandas as pd

Stage = Callable[[str], None]


def _silent(text: str) -> None:
    """Take no notice of what is being done."""


def train(recipe: Recipe, *, stage: Stage = _silent) -> TrainedModel:
    """Read the data, fit on a part of the rows, evaluate on the rest.

    ``stage`` is told, in a few words, what is being done. The model that is kept is the one that
    was evaluated. The same recipe, data and seed give the same predictions and metrics.

    Raises TrainingRefused, in the class that says what is wrong.
    """
    family = FAMILIES[recipe.kind]
    stage(f"reading {recipe.data}")
    table = read_table(recipe.data)
    target = _target(table, recipe)
    prepared = _prepare(table, recipe, target, family)
    split = split_rows(target, recipe.test_size, recipe.seed, table.source)
    _check_training_part(prepared, split)
    train_rows, test_rows = (
        Rows(prepared.frame.iloc[rows], target.values[rows]) for rows in (split.train, split.test)
    )
    estimator = family.build(target.task, recipe.params, recipe.seed)
    stage(f"fitting {_described(family, estimator)} on {len(train_rows):,} rows")
    pipeline = Pipeline([("features", prepared.transformer), ("model", estimator)])
    notes = [*_dropped_note(target), *_fit(pipeline, train_rows, family)]
    stage(f"evaluating on {len(test_rows):,} rows")
    evaluation = evaluate(pipeline, target.task, train_rows, test_rows, recipe.seed)
    return TrainedModel(
        recipe=recipe,
        pipeline=pipeline,
        kind=recipe.kind,
        task=target.task,
        signature=_with_classes(prepared.signature, pipeline, target),
        metrics=evaluation.metrics,
        baseline=evaluation.baseline,
        evaluation={"dropped_rows": target.dropped_count, "notes": notes} | evaluation.to_json(),
        params=recorded_params(pipeline[-1]),
        input_example=_example(train_rows.features, prepared.signature),
        lineage=lineage(recipe, table),
        environment=environment(),
        notes=tuple(notes),
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
        raise ColumnNotFound("target", name, table.columns)
    try:
        values = type_column(name, table.frame[name])
        check_magnitude(values, LARGEST_SQUARED)
    except ColumnRefused as error:
        raise TargetRefused(name, error.what, "Mend it, or choose another target.") from error
    return read_target(values, recipe.kind, recipe.task)


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


def _fit(pipeline: Pipeline, rows: Rows, family: Family) -> list[str]:
    """Fit in place; the answer is what scikit-learn warned of, each warning once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            pipeline.fit(rows.features, rows.target)
        except (ValueError, TypeError, ArithmeticError) as error:
            why = str(error)
            # So begin scikit-learn's own refusals of a parameter's value.
            if re.match(r"The '\w+' parameter of ", why):
                raise ParameterRefused(why) from error
            raise FitRefused(family.kind, why) from error
    if family.parallel:
        # Threads add up a forest's votes in any order, so its last bits would differ by run.
        pipeline[-1].set_params(n_jobs=None)
    return list(dict.fromkeys(_first_sentence(str(warning.message)) for warning in caught))


def _with_classes(signature: Signature, pipeline: Pipeline, target: Target) -> Signature:
    if target.task == "regression":
        return signature
    classes = tuple(pipeline.classes_.tolist())
    return Signature(signature.inputs, Output(target.name, target.type, classes))


def _example(frame: "pd.DataFrame", signature: Signature) -> Record:
    """The first row without a missing value, else the first row."""
    complete = frame.dropna()
    row: Mapping[Any, Any] = (complete if len(complete) else frame).iloc[0].to_dict()
    return {column.name: _native(row[column.name], column) for column in signature.inputs}


def _native(value: Any, column: Column) -> Scalar:
    if isinstance(value, float) and np.isnan(value):
        return None
    native = {"number": float, "integer": int, "boolean": bool, "string": str}[column.type]
    converted: Scalar = native(value)
    return converted


def _described(family: Family, estimator: Any) -> str:
    trees = getattr(estimator, "n_estimators", None)
    return f"{trees} trees" if trees is not None else f"a {family.kind} model"


def _dropped_note(target: Target) -> list[str]:
    count = target.dropped_count
    if not count:
        return []
    rows = "1 row" if count == 1 else f"{count:,} rows"
    return [f"{rows} without '{target.name}' left out"]


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())
