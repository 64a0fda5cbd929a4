"""Trains a model by a recipe and evaluates it on rows that it was not trained on."""

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from hotswap.evaluation.column_ranges import column_ranges
from hotswap.evaluation.profile import profile
from hotswap.evaluation.row_hashes import Hashes, TrainingRows, names_hash, row_hashes
from hotswap.evaluation.training_warnings import Part, Training, training_warnings
from hotswap.fitted.surroundings import environment
from registry.signature import Output, Signature
from trainers.cluster.connection import Cluster
from trainers.errors import WarningsRefused
from trainers.estimators import family_of
from trainers.estimators.family import Family
from trainers.evaluation import evaluate
from trainers.fitting import Progress, fit, one_thread
from trainers.lineage import lineage
from trainers.preparing import Ready, Stage, prepare, silent
from trainers.recipe import Recipe
from trainers.records import example
from trainers.search import search
from trainers.target import Target
from trainers.trained import TrainedModel


def train(
    recipe: Recipe,
    *,
    stage: Stage = silent,
    progress: Progress | None = None,
    cluster: Cluster | None = None,
    memory: int | None = None,
) -> TrainedModel:
    """Read the data, fit on some of the rows, evaluate on the others.

    ``stage`` is called with the name of each step; ``progress``, where the amount is known, with
    how much of it is done. The model that is returned is the one that was evaluated. The same
    recipe, data and seed give the same predictions and metrics on any number of cores, and on the
    workers of a ``cluster``, which try the candidates of a search and grow the trees of a forest.
    A table is refused that would take more than ``memory`` bytes, by an estimate.

    Raises a subclass of TrainingRefused, ClusterFailed.
    """
    family = family_of(recipe.kind)
    ready = prepare(recipe, stage=stage, memory=memory)
    target = ready.target
    train_rows, test_rows = ready.rows.take(ready.split.train), ready.rows.take(ready.split.test)
    estimator = family.build(target.task, recipe.params, recipe.seed)
    pipeline = Pipeline([("features", ready.transformer), ("model", estimator)])
    found = None
    where = "" if cluster is None else f", on {cluster}"
    if recipe.search is not None:
        tried = f"{recipe.search.candidates:,} candidates by {recipe.search.folds} folds"
        stage(f"trying {tried}{where}")
        found = search(recipe, recipe.search, pipeline, ready, progress, cluster=cluster)
        estimator.set_params(**found.params)
    where = where if family.parallel else ""
    stage(f"fitting {_described(family, estimator)} on {len(train_rows):,} rows{where}")
    fitted = fit(
        pipeline, train_rows.features, train_rows.target, family, progress, cluster=cluster
    )
    stage(f"evaluating on {len(test_rows):,} rows")
    with one_thread():
        evaluation = evaluate(pipeline, target.task, train_rows, test_rows, recipe.seed)
    notes = [*ready.notes, *_dropped_note(target), *(found.notes if found else ()), *fitted]
    ranges = column_ranges(ready.columns, ready.split.train)
    treated = {column.name: column.to_json() for column in ready.inferred}
    hashes = _row_hashes(ready)
    fitted_on, held_out = (
        Part(ready.columns, rows, hashes[rows]) for rows in (ready.split.train, ready.split.test)
    )
    warnings = training_warnings(
        Training(
            target=target.name,
            train=fitted_on,
            train_target=train_rows.target,
            test=held_out,
            ranges=ranges,
            made=evaluation.made,
            metrics=evaluation.metrics,
            intervals=evaluation.intervals,
            baseline=evaluation.baseline,
        )
    )
    if recipe.strict and warnings:
        raise WarningsRefused(warnings)
    kept = {
        "dropped_rows": target.dropped_count,
        "notes": list(dict.fromkeys(notes)),
        "warnings": list(warnings),
        "columns": {name: summary | treated[name] for name, summary in ranges.items()},
        "file": dict(ready.dataset.found),
        "profile": profile(ready.columns, ready.split.train, ranges, evaluation.made),
        **({} if found is None else {"search": found.record}),
    }
    return TrainedModel(
        recipe=recipe,
        pipeline=pipeline,
        kind=recipe.kind,
        task=target.task,
        signature=_with_classes(ready.signature, pipeline, target),
        metrics=evaluation.metrics,
        baseline=evaluation.baseline,
        evaluation=kept | evaluation.to_json(),
        params=family.recorded_params(target.task, pipeline[-1]),
        input_example=example(train_rows.features, ready.signature),
        lineage=lineage(recipe, ready.dataset),
        environment=environment(pipeline),
        notes=tuple(kept["notes"]),
        warnings=warnings,
        inferred=ready.inferred,
        held_out=test_rows.features,
        training_rows=TrainingRows(
            np.sort(hashes[ready.split.train]), names_hash(ready.signature.names), has_target=True
        ).to_bytes(),
    )


def _row_hashes(ready: Ready) -> Hashes:
    columns = [(values.name, values.type, values.array) for values in ready.columns]
    return row_hashes(columns, ready.rows.target)


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
