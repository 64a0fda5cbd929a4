"""Compares a model trained again from a version's lineage with what the version recorded."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from registry.signature import Record
from trainers.errors import RecipeRefused
from trainers.origin import Origin
from trainers.recipe import Recipe
from trainers.records import records
from trainers.trained import TrainedModel

METRIC_TOLERANCE = 1e-9
PREDICTION_TOLERANCE = 1e-6
"""Relative. Other library versions or another processor may add numbers in another order."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One recorded value and the new one; None where one side does not have it."""

    name: str
    recorded: Any
    again: Any
    agrees: bool


@dataclass(frozen=True, slots=True)
class ComparedPredictions:
    """Of ``rows`` predictions ``agree`` are equal; ``largest`` is the largest difference, None for
    classes."""

    rows: int
    agree: int
    largest: float | None


def recorded_recipe(lineage: Mapping[str, Any], data: str | None) -> Recipe:
    """The recipe in ``lineage``, with ``data`` in place of its own where given.

    Raises RecipeRefused where there is none, or it cannot be used.
    """
    origin = Origin("The recipe in the version's lineage")
    document = lineage.get("recipe")
    if not isinstance(document, Mapping):
        raise RecipeRefused(
            ["there is none, because the version was not trained by 'hotswap train'"], origin.source
        )
    return Recipe.from_json({**document, **({"data": data} if data else {})}, origin)


def compared_metrics(recorded: Mapping[str, float], again: Mapping[str, float]) -> list[Figure]:
    """Each metric that either side has."""
    return [
        Figure(name, recorded.get(name), again.get(name), _close(recorded, again, name))
        for name in {**again, **recorded}
    ]


def compared_inputs(
    lineage: Mapping[str, Any], environment: Mapping[str, str], model: TrainedModel
) -> list[Figure]:
    """The digests of data and recipe and the versions of the libraries, which may explain a
    different result."""
    digests = [(name, lineage.get(name), model.lineage[name]) for name in
               ("data_sha256", "data_rows", "recipe_sha256")]  # fmt: skip
    libraries = [(name, environment.get(name), own) for name, own in model.environment.items()]
    return [Figure(name, was, own, was == own) for name, was, own in [*digests, *libraries]]


def held_out_records(model: TrainedModel, rows: int) -> list[Record]:
    """The first ``rows`` of the rows that the model was evaluated on."""
    return records(model.held_out.iloc[:rows], model.signature)


def compared_predictions(model: TrainedModel, served: Sequence[Any]) -> ComparedPredictions:
    """The model's predictions for its first held-out rows, compared with those of a service."""
    own = model.pipeline.predict(model.held_out.iloc[: len(served)])
    if model.task == "classification":
        same = sum(mine == theirs for mine, theirs in zip(own.tolist(), served, strict=True))
        return ComparedPredictions(len(served), same, None)
    theirs = np.array(served, dtype=np.float64)
    difference = np.abs(own - theirs)
    size = np.maximum(np.abs(own), np.abs(own).max(initial=0.0) * 1e-6)
    same = int((difference <= PREDICTION_TOLERANCE * size).sum())
    return ComparedPredictions(len(served), same, float(difference.max(initial=0.0)))


def _close(recorded: Mapping[str, float], again: Mapping[str, float], name: str) -> bool:
    if name not in recorded or name not in again:
        return False
    return math.isclose(
        recorded[name], again[name], rel_tol=METRIC_TOLERANCE, abs_tol=METRIC_TOLERANCE
    )
