"""A family of estimators: one kind, an estimator for each task that it can do."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import Interval, validate_parameter_constraints

from registry.signature import Task
from trainers.errors import ParameterRefused
from trainers.model_kinds import TrainedKind

# Set by the recipe's seed, or useless for a single fit without output.
_NOT_FOR_RECIPES = {"random_state", "verbose", "warm_start", "n_jobs"}
# The square of a larger number is infinite; trees compare 32-bit floats, whose limit is lower.
LARGEST_SQUARED = 1e150
LARGEST_FLOAT32 = 3.4e38
Constraints = Mapping[str, Sequence[Any]]
"""For each parameter the values that are allowed, as in scikit-learn's _parameter_constraints."""
ABOVE_0 = Interval(Real, 0, None, closed="neither")
FROM_0 = Interval(Real, 0, None, closed="left")
SHARE = Interval(Real, 0, 1, closed="right")
WHOLE = Interval(Integral, 0, None, closed="left")
COUNT = Interval(Integral, 1, None, closed="left")


@dataclass(frozen=True, slots=True)
class Family:
    """``estimators`` and ``defaults`` by task; ``scaled``: it needs standardised numbers;
    ``takes_missing``: it learns from missing numbers, which are not filled; ``largest``: the
    largest magnitude of a number; ``parallel``: it fits on all cores; ``dense``: it needs dense
    features.

    ``constraints`` are those of the parameters that a recipe may set, by task, where the estimators
    are not scikit-learn's and check nothing themselves. ``failures`` are what they raise besides
    the errors of scikit-learn's estimators.
    """

    kind: TrainedKind
    estimators: Mapping[Task, Callable[..., Any]]
    defaults: Mapping[Task, Mapping[str, Any]] = field(default_factory=dict)
    scaled: bool = False
    takes_missing: bool = False
    largest: float = LARGEST_SQUARED
    parallel: bool = False
    dense: bool = False
    constraints: Mapping[Task, Constraints] = field(default_factory=dict)
    failures: tuple[type[Exception], ...] = ()

    def build(self, task: Task, params: Mapping[str, Any], seed: int) -> Any:
        """An unfitted estimator with our defaults, the caller's ``params`` and the seed.

        Raises ParameterRefused for an unknown name, or a value that JSON cannot hold.
        """
        estimator = self.estimators[task](**self.defaults.get(task, {}))
        valid = self._offered(task, estimator)
        for name, value in params.items():
            if name == "random_state":
                raise ParameterRefused("random_state is set by the seed: give --seed instead.")
            if name not in valid:
                raise ParameterRefused.unknown(name, self.kind, valid)
            _check_json(name, value)
        estimator.set_params(**params)
        if "random_state" in estimator.get_params(deep=False):
            estimator.set_params(random_state=seed)
        if self.parallel:
            estimator.set_params(n_jobs=-1)
        return estimator

    def check(self, task: Task, estimator: Any) -> None:
        """Check the parameters of ``estimator``, as scikit-learn does at the beginning of a fit.

        Raises ValueError, TypeError.
        """
        if task not in self.constraints:
            estimator._validate_params()
            return
        constraints = {name: list(allowed) for name, allowed in self.constraints[task].items()}
        params = {name: getattr(estimator, name) for name in constraints}
        validate_parameter_constraints(constraints, params, caller_name=self.kind)

    def recorded_params(self, task: Task, estimator: Any) -> dict[str, Any]:
        """The estimator's parameters as JSON, without those that do not affect predictions and
        those that are left to another library than scikit-learn."""
        params = {name: getattr(estimator, name) for name in self._offered(task, estimator)}
        left = {name for name in self.constraints.get(task, ()) if params[name] is None}
        return {name: value for name, value in params.items() if name not in left}

    def _offered(self, task: Task, estimator: Any) -> list[str]:
        """The names of the parameters that a recipe may set."""
        if task in self.constraints:
            return sorted(self.constraints[task])
        params = estimator.get_params(deep=False)
        # scikit-learn gives a deprecated parameter this value.
        return sorted(
            name
            for name, value in params.items()
            if name not in _NOT_FOR_RECIPES and value != "deprecated"
        )


def library_family(
    kind: TrainedKind,
    estimators: Mapping[Task, Callable[..., Any]],
    fixed: Mapping[str, Any],
    constraints: Mapping[Task, Constraints],
    **more: Any,
) -> Family:
    """The family of a library for boosted trees, of 100 trees by default. Its estimators always
    have the parameters ``fixed``; ``more`` are further fields of the family."""
    return Family(
        kind,
        {task: partial(estimator, **fixed) for task, estimator in estimators.items()},
        {task: {"n_estimators": 100} for task in estimators},
        takes_missing=True,
        dense=True,
        constraints=constraints,
        **more,
    )


def _check_json(name: str, value: object) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ParameterRefused(
            f"The parameter '{name}' cannot be {value!r}: give a finite number, a text, true, "
            "false, or a list or table of these."
        ) from None
