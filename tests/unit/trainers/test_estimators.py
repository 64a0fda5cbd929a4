"""Parameters are checked against the estimator's own; the seed is its random state."""

import pytest

from trainers.errors import ParameterRefused
from trainers.estimators import family_of
from trainers.model_kinds import LIBRARY_KINDS, TRAINED_KINDS

TASKS = [(kind, task) for kind in TRAINED_KINDS for task in family_of(kind).estimators]


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
        ("xgboost", "regression"),
        ("xgboost", "classification"),
        ("lightgbm", "regression"),
        ("lightgbm", "classification"),
    }


@pytest.mark.parametrize(("kind", "task"), TASKS)
def test_the_seed_is_passed_to_every_random_estimator(kind, task):
    estimator = family_of(kind).build(task, {}, seed=7)

    assert getattr(estimator, "random_state", 7) == 7


def test_given_parameters_override_the_defaults():
    forest = family_of("forest").build("regression", {"n_estimators": 3, "max_depth": 2}, seed=0)

    assert (forest.n_estimators, forest.max_depth, forest.min_samples_leaf) == (3, 2, 2)
    assert family_of("forest").recorded_params("regression", forest)["n_estimators"] == 3


def test_an_unknown_parameter_is_refused_with_the_valid_ones():
    with pytest.raises(ParameterRefused) as refusal:
        family_of("forest").build("regression", {"n_estimator": 3}, seed=0)

    reported = str(refusal.value)
    assert "forest has no parameter 'n_estimator'. Did you mean 'n_estimators'?" in reported
    assert "'max_depth'" in reported


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("forest", "verbose"), ("forest", "warm_start"), ("forest", "n_jobs")),
        # Other data than a table, another device, or another meaning of the features.
        *(("xgboost", "early_stopping_rounds"), ("xgboost", "device"), ("xgboost", "missing")),
        *(("xgboost", "booster"), ("lightgbm", "n_jobs"), ("lightgbm", "linear_tree")),
    ],
)
def test_parameters_of_execution_are_not_offered(kind, name):
    with pytest.raises(ParameterRefused, match=f"no parameter '{name}'"):
        family_of(kind).build("regression", {name: 1}, seed=0)


@pytest.mark.parametrize("kind", LIBRARY_KINDS)
def test_the_objective_of_a_classification_follows_from_its_classes(kind):
    family = family_of(kind)

    assert family.build("regression", {"objective": "x"}, seed=0).objective == "x"
    with pytest.raises(ParameterRefused, match="no parameter 'objective'"):
        family.build("classification", {"objective": "x"}, seed=0)


@pytest.mark.parametrize(("kind", "task"), [task for task in TASKS if task[0] in LIBRARY_KINDS])
def test_the_defaults_of_a_library_are_among_the_allowed_values(kind, task):
    family = family_of(kind)
    estimator = family.build(task, {}, seed=0)

    family.check(task, estimator)
    assert {name for name in family.constraints[task] if not hasattr(estimator, name)} == set()
    assert None not in family.recorded_params(task, estimator).values()


@pytest.mark.parametrize(
    ("kind", "task", "params", "refusal"),
    [
        ("xgboost", "regression", {"max_depth": "deep"}, "must be an int .* Got 'deep'"),
        ("xgboost", "classification", {"subsample": 2}, r"range \(0.0, 1.0\]"),
        ("xgboost", "regression", {"objective": "rank:ndcg"}, "'reg:squarederror'"),
        ("lightgbm", "regression", {"num_leaves": 1}, r"range \[2, 131072\]"),
        ("lightgbm", "classification", {"learning_rate": 0}, r"range \(0.0, inf\)"),
        ("lightgbm", "regression", {"boosting_type": "rf"}, "'gbdt'.* Got 'rf'"),
    ],
)
def test_the_parameters_of_a_library_are_checked_before_it_is_called(kind, task, params, refusal):
    family = family_of(kind)
    (name,) = params

    with pytest.raises(ValueError, match=f"The '{name}' parameter of {kind} .*{refusal}"):
        family.check(task, family.build(task, params, seed=0))


def test_the_random_state_is_given_as_the_seed():
    with pytest.raises(ParameterRefused, match="give --seed"):
        family_of("tree").build("regression", {"random_state": 1}, seed=0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_a_value_that_is_not_json_is_refused(value):
    with pytest.raises(ParameterRefused, match="'max_depth' cannot be"):
        family_of("tree").build("regression", {"max_depth": value}, seed=0)
