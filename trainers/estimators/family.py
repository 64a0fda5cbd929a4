"""A family of estimators: one kind, an estimator for each task that it can do."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from registry.signature import Task
from trainers.errors import ParameterRefused
from trainers.model_kinds import TrainedKind

# Set by the recipe's seed, or useless for a single fit without output.
_NOT_FOR_RECIPES = {"random_state", "verbose", "warm_start", "n_jobs"}
# The square of a larger number is infinite; trees compare 32-bit floats, whose limit is lower.
LARGEST_SQUARED = 1e150
LARGEST_FLOAT32 = 3.4e38


@dataclass(frozen=True, slots=True)
class Family:
    """``estimators`` and ``defaults`` by task; ``scaled``: it needs standardised numbers;
    ``takes_missing``: it learns from missing numbers, which are not filled; ``largest``: the
    largest magnitude of a number; ``parallel``: it fits on all cores; ``dense``: it refuses sparse
    features."""

    kind: TrainedKind
    estimators: Mapping[Task, type[Any]]
    defaults: Mapping[Task, Mapping[str, Any]] = field(default_factory=dict)
    scaled: bool = False
    takes_missing: bool = False
    largest: float = LARGEST_SQUARED
    parallel: bool = False
    dense: bool = False

    def build(self, task: Task, params: Mapping[str, Any], seed: int) -> Any:
        """An unfitted estimator with our defaults, the caller's ``params`` and the seed.

        Raises ParameterRefused for an unknown name, or a value that JSON cannot hold.
        """
        estimator = self.estimators[task](**self.defaults.get(task, {}))
        known = estimator.get_params(deep=False)
        valid = sorted(name for name in known if _is_offered(name, known[name]))
        for name, value in params.items():
            if name == "random_state":
                raise ParameterRefused("random_state is set by the seed: give --seed instead.")
            if name not in valid:
                raise ParameterRefused.unknown(name, self.kind, valid)
            _check_json(name, value)
        estimator.set_params(**params)
        if "random_state" in known:
            estimator.set_params(random_state=seed)
        if self.parallel:
            estimator.set_params(n_jobs=-1)
        return estimator


def recorded_params(estimator: Any) -> dict[str, Any]:
    """The estimator's parameters as JSON, without those that do not affect predictions."""
    params = estimator.get_params(deep=False)
    return {name: value for name, value in sorted(params.items()) if _is_offered(name, value)}


def _is_offered(name: str, value: object) -> bool:
    # scikit-learn gives a deprecated parameter this value.
    return name not in _NOT_FOR_RECIPES and value != "deprecated"


def _check_json(name: str, value: object) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ParameterRefused(
            f"The parameter '{name}' cannot be {value!r}: give a finite number, a text, true, "
            "false, or a list or table of these."
        ) from None
