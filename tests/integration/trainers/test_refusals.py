"""The refusals of trainings: their messages say what was wrong, where, and what to do."""

import numpy as np
import pandas as pd
import pytest

from trainers.errors import (
    ClassTooRare,
    ColumnNotFound,
    ColumnRefused,
    FitRefused,
    RecipeRefused,
    TargetConstant,
    TargetRefused,
    TaskRefused,
    TooFewRows,
)
from trainers.recipe import Recipe
from trainers.training import train


def recipe(data, kind="linear", target="sales", **fields):
    return Recipe(data=str(data), kind=kind, target=target, **fields)


def written(tmp_path, frame):
    frame.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def test_an_unknown_target_is_refused_with_near_matches(shops_csv):
    with pytest.raises(ColumnNotFound, match=r"no column 'sale', named as target.*'sales'"):
        train(recipe(shops_csv, target="sale"))


def test_a_constant_target_is_refused(shops, tmp_path):
    with pytest.raises(TargetConstant, match="cannot learn from it"):
        train(recipe(written(tmp_path, shops.assign(sales=5.0))))


def test_logistic_on_a_quantity_is_refused(shops_csv):
    with pytest.raises(TaskRefused, match="Use linear, tree or forest"):
        train(recipe(shops_csv, "logistic"))


def test_linear_on_text_is_refused(shops_csv):
    with pytest.raises(TaskRefused, match="Use logistic, tree or forest"):
        train(recipe(shops_csv, "linear", "thrives"))


def test_a_class_with_one_row_is_refused(shops, tmp_path):
    shops.loc[0, "thrives"] = "perhaps"
    with pytest.raises(ClassTooRare, match="'perhaps'"):
        train(recipe(written(tmp_path, shops), "forest", "thrives"))


def test_dates_are_refused_as_a_target(shops, tmp_path):
    shops["opened"] = pd.date_range("2020-01-01", periods=60)
    path = written(tmp_path, shops)

    with pytest.raises(TargetRefused, match=r"target 'opened' holds dates.*another target"):
        train(recipe(path, target="opened"))
    assert train(recipe(path)).metrics["r2"] > 0.5


def first_held_out_row(shops, tmp_path):
    model = train(recipe(written(tmp_path, shops)))
    return shops.index[shops["sales"] == model.evaluation["predicted_vs_true"]["true"][0]][0]


def test_a_column_without_training_values_is_refused(shops, tmp_path):
    held_out = first_held_out_row(shops, tmp_path)
    shops["nearly"] = np.nan
    shops.loc[held_out, "nearly"] = 1.5

    with pytest.raises(ColumnRefused, match="'nearly' has no value in the rows to train on"):
        train(recipe(written(tmp_path, shops)))


@pytest.mark.parametrize(
    ("value", "kind"), [("inf", "linear"), ("1e200", "linear"), ("1e39", "tree")]
)
def test_numbers_too_large_to_compute_with_are_refused_when_fitting(tmp_path, value, kind):
    rows = "".join(f"{row},{row * 2.5}\n" for row in range(20))
    (tmp_path / "t.csv").write_text(f"x,y\n{value},1.5\n{rows}")

    with pytest.raises(ColumnRefused, match="'x' holds"):
        train(recipe(tmp_path / "t.csv", kind, "y"))


@pytest.mark.parametrize(
    ("kind", "target", "params", "reported"),
    [
        ("forest", "sales", {"n_estimators": -1}, "'n_estimators' parameter .* Got -1"),
        ("forest", "sales", {"max_depth": "deep"}, "'max_depth' parameter .* Got 'deep'"),
        ("tree", "sales", {"depth": 3}, "tree has no parameter 'depth'"),
    ],
)
def test_parameters_unknown_to_the_estimator_are_refused(shops_csv, kind, target, params, reported):
    with pytest.raises(RecipeRefused, match=reported):
        train(recipe(shops_csv, kind, target, params=params))


def test_incompatible_parameters_are_refused(shops_csv):
    params = {"solver": "lbfgs", "dual": True}
    with pytest.raises(FitRefused, match="dual"):
        train(recipe(shops_csv, "logistic", "thrives", params=params))


def test_too_few_rows_for_a_split_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n1,1.5\n2,2.5\n3,3.5\n")

    with pytest.raises(TooFewRows, match="only 3 rows"):
        train(recipe(tmp_path / "t.csv", target="y"))


def test_a_missing_or_non_text_recipe_is_refused(tmp_path):
    (tmp_path / "bytes.toml").write_bytes(b"name = '\xff'")

    with pytest.raises(RecipeRefused, match=r"none\.toml.*No such file"):
        Recipe.from_toml(tmp_path / "none.toml")
    with pytest.raises(RecipeRefused, match="not UTF-8"):
        Recipe.from_toml(tmp_path / "bytes.toml")
