"""``hotswap.log`` looks for the same faults of a training as ``hotswap train``."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeRegressor

from hotswap.evaluation.predicted import predict
from hotswap.fitted.description import Measured
from hotswap.fitted.log import measure
from hotswap.fitted.tables import table_columns

ROWS, HELD_OUT = slice(0, 400), slice(400, 600)


def passengers(seed=2):
    draws = np.random.default_rng(seed)
    age, fare = draws.uniform(1, 80, 600), draws.lognormal(3, 0.7, 600)
    frame = pd.DataFrame({"age": age.round(1), "fare": fare.round(2)})
    frame["town"] = draws.choice(["Cobh", "Dover"], 600)
    lived = pd.Series(np.where(draws.random(600) < 1 / (1 + np.exp((age - 40) / 12)), "yes", "no"))
    cost = pd.Series(30 * age + 5 * fare + draws.normal(0, 60, 600), name="cost")
    return frame, lived, cost


FRAME, LIVED, COST = passengers()


def classifier():
    return LogisticRegression(max_iter=1000)


def warnings(frame, target, estimator=None, held_out=HELD_OUT, *, with_target=True):
    """Of a pipeline that is fitted on the first 400 rows."""
    estimator = estimator or (LinearRegression() if target.dtype == float else classifier())
    texts = frame.select_dtypes(exclude="number").columns
    encoder = (OneHotEncoder(handle_unknown="ignore"), texts)
    columns = make_column_transformer(encoder, remainder="passthrough")
    model = make_pipeline(columns, estimator).fit(frame[ROWS], target[ROWS])
    tables = frame[ROWS], frame[held_out], target[held_out]
    said = measure(model, *tables, target[ROWS] if with_target else None)
    return said["evaluation"]["warnings"]


@pytest.mark.parametrize("target", [LIVED, COST], ids=["classes", "numbers"])
@pytest.mark.parametrize("with_target", [True, False])
def test_sound_data_have_no_warnings(target, with_target):
    assert warnings(FRAME, target, with_target=with_target) == []


@pytest.mark.parametrize(
    ("target", "estimator", "said"),
    [
        (LIVED, None, "not surely better than guessing"),
        (COST, DecisionTreeRegressor(random_state=0), "no better than predicting the mean"),
    ],
    ids=["classes", "numbers"],
)
def test_a_model_that_is_no_better_than_the_baseline(target, estimator, said):
    shuffled = pd.Series(np.random.default_rng(0).permutation(target))
    (warning,) = warnings(FRAME, shuffled, estimator)
    assert said in warning


@pytest.mark.parametrize(
    ("target", "leak"),
    [
        (LIVED, LIVED.map({"yes": "alive", "no": "dead"})),
        (LIVED, (LIVED == "yes").astype(int)),
        (COST, COST * 0.92),
    ],
    ids=["text", "number", "currency"],
)
def test_a_column_that_reveals_the_target(target, leak):
    (warning,) = warnings(FRAME.assign(alive=leak), target)
    assert f"the column 'alive' alone predicts '{target.name or 'prediction'}' nearly" in warning
    assert warnings(FRAME.assign(alive=leak), target, with_target=False) == []


@pytest.mark.parametrize("with_target", [True, False])
def test_rows_in_both_tables(with_target):
    (warning,) = warnings(FRAME, COST, held_out=slice(300, 600), with_target=with_target)
    assert warning.startswith("100 of the 300 rows to evaluate on are equal to rows trained on")


def test_constant_columns_and_classes_with_few_rows():
    frame = FRAME.assign(ship="Titanic", year=1912)
    lived = LIVED.copy()
    lived[[0, 1, 500]] = "maybe"
    constant, rare = warnings(frame, lived)
    assert "2 columns have the same value in all rows trained on: 'ship', 'year'" in constant
    assert "the class maybe (3) has fewer than 10 rows" in rare


def test_extreme_targets_that_dominate_the_error():
    cost = COST.copy()
    cost[::60] = 5e6
    found = warnings(FRAME, cost, DecisionTreeRegressor(max_depth=3, random_state=0))
    assert any("have an extreme target, such as 5e+06" in warning for warning in found)


@pytest.mark.parametrize("empty", [ROWS, HELD_OUT], ids=["train", "test"])
@pytest.mark.parametrize("dtype", ["Int64", "object", "float64"])
def test_a_column_without_values_in_one_table_is_no_fault(empty, dtype):
    numbers = FRAME[["age", "fare"]].assign(rooms=range(600))
    model = DecisionTreeRegressor(max_depth=4, random_state=0).fit(numbers[ROWS], COST[ROWS])
    tables = {"train": numbers[ROWS], "test": numbers[HELD_OUT]}
    name = "train" if empty is ROWS else "test"
    gone = pd.Series([None] * len(tables[name]), dtype=dtype, index=tables[name].index)
    tables[name] = tables[name].assign(rooms=gone)
    said = measure(model, tables["train"], tables["test"], COST[HELD_OUT], COST[ROWS])
    assert said["evaluation"]["warnings"] == []


def test_without_the_rows_trained_on_only_the_predictions_are_judged():
    frame = FRAME[["age", "fare"]].assign(year=1912.0)
    shuffled = COST.sample(frac=1, random_state=0).to_numpy()
    model = DecisionTreeRegressor(random_state=0).fit(frame[ROWS], shuffled[ROWS])
    made = predict(model, "regression", frame[HELD_OUT], COST[HELD_OUT].to_numpy())
    described = Measured(model=model, made=made, test=table_columns(frame[HELD_OUT], "X_test"))
    (warning,) = described.metadata()["evaluation"]["warnings"]
    assert "no better than predicting the mean" in warning
