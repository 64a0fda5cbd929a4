"""Parameters are checked against the estimator's own; the seed is its random state."""

import pytest

from trainers.errors import ParameterRefused
from trainers.estimators import FAMILIES
from trainers.estimators.family import recorded_params

TASKS = [(kind, task) for kind, family in FAMILIES.items() for task in family.estimators]


def test_every_kind_supports_its_tasks():
    assert set(TASKS) == {
        ("linear", "regression"),
        ("logistic", "classification"),
        ("tree", "regression"),
        ("tree", "classification"),
        ("forest", "regression"),
        ("forest", "classification"),
        ("boosting", "regression"),
        ("boosting", "classification"),
    }


@pytest.mark.parametrize(("kind", "task"), TASKS)
def test_the_seed_is_passed_to_every_random_estimator(kind, task):
    estimator = FAMILIES[kind].build(task, {}, seed=7)

    assert getattr(estimator, "random_state", 7) == 7


def test_given_parameters_override_the_defaults():
    forest = FAMILIES["forest"].build("regression", {"n_estimators": 3, "max_depth": 2}, seed=0)

    assert (forest.n_estimators, forest.max_depth, forest.min_samples_leaf) == (3, 2, 2)
    assert recorded_params(forest)["n_estimators"] == 3


def test_an_unknown_parameter_is_refused_with_the_valid_ones():
    with pytest.raises(ParameterRefused) as refusal:
        FAMILIES["forest"].build("regression", {"n_estimator": 3}, seed=0)

    reported = str(refusal.value)
    assert "forest has no parameter 'n_estimator'. Did you mean 'n_estimators'?" in reported
    assert "'max_depth'" in reported


@pytest.mark.parametrize("name", ["verbose", "warm_start", "n_jobs"])
def test_parameters_of_execution_are_not_offered(name):
    with pytest.raises(ParameterRefused, match=f"no parameter '{name}'"):
        FAMILIES["forest"].build("regression", {name: 1}, seed=0)


def test_the_random_state_is_given_as_the_seed():
    with pytest.raises(ParameterRefused, match="give --seed"):
        FAMILIES["tree"].build("regression", {"random_state": 1}, seed=0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_a_value_that_is_not_json_is_refused(value):
    with pytest.raises(ParameterRefused, match="'max_depth' cannot be"):
        FAMILIES["tree"].build("regression", {"max_depth": value}, seed=0)
