"""XGBoost and LightGBM train like the kinds of scikit-learn: from a recipe to a version's metadata."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from trainers.errors import FitRefused, RecipeRefused
from trainers.model_kinds import LIBRARY_KINDS
from trainers.recipe import Recipe
from trainers.recipe_writing import write_recipe
from trainers.search_space import Search
from trainers.training import train

pytestmark = pytest.mark.parametrize("kind", LIBRARY_KINDS)


@pytest.fixture
def visits(tmp_path):
    """Numbers with missing values, dates, free text, classes that are texts, and a quantity."""
    draws = np.random.default_rng(5)
    words = np.array(["good", "bad", "late", "fast", "broken", "again"])
    said = [" ".join(draws.choice(words, 6)) for _ in range(200)]
    age = np.where(draws.random(200) < 0.1, np.nan, draws.uniform(18, 90, 200).round(1))
    paid = 10 * np.nan_to_num(age) + 90 * np.array([text.count("good") for text in said])
    table = pd.DataFrame(
        {
            "age": age,
            "city": draws.choice(["Ghent", "Leeds", "Turin"], 200),
            "day": pd.date_range("2026-01-01", periods=200).strftime("%Y-%m-%d"),
            "said": said,
            "paid": paid.round(2),
            "group": np.array(["low", "middle", "top"])[pd.qcut(paid, 3, labels=False)],
        }
    )
    path = tmp_path / "visits.csv"
    table.to_csv(path, index=False)
    return path


def recipe(data, kind, target="paid", **more):
    left_out = {"paid", "group"} - {target}
    params = {"n_estimators": 20, **more.pop("params", {})}
    return Recipe(
        data=str(data), kind=kind, target=target, exclude=tuple(left_out), params=params, **more
    )


def test_a_quantity_is_trained_with_metrics_intervals_and_importances(kind, visits):
    trained = train(recipe(visits, kind))

    document = json.loads(json.dumps(trained.metadata(), allow_nan=False))
    assert (document["kind"], document["lineage"]["recipe"]["kind"]) == ("boosting", kind)
    assert document["params"]["n_estimators"] == 20
    assert document["environment"][kind]
    assert trained.metrics["rmse"] < trained.baseline["rmse"]
    assert document["evaluation"]["metric_intervals"].keys() == trained.metrics.keys()
    assert document["evaluation"]["importances"]
    columns = {column.name: (column.type, column.nullable) for column in trained.signature.inputs}
    assert columns["age"] == ("number", True)
    assert columns["day"] == ("date", False)


@pytest.mark.parametrize("target", ["group", "passed", "code"])
def test_classes_keep_their_labels(kind, target, visits):
    table = pd.read_csv(visits)
    table["passed"] = table["paid"] > table["paid"].median()
    table["code"] = table["group"].map({"low": 3, "middle": 7, "top": 20})
    table.drop(columns={"group", "passed", "code"} - {target}).to_csv(visits, index=False)

    trained = train(Recipe(data=str(visits), kind=kind, target=target, exclude=("paid",)))

    classes = {"group": ("low", "middle", "top"), "passed": (False, True), "code": (3, 7, 20)}
    assert trained.signature.output.classes == classes[target]
    assert set(trained.pipeline.predict(trained.held_out).tolist()) <= set(classes[target])
    assert trained.metrics["log_loss"] < trained.baseline["log_loss"]
    assert trained.metrics["roc_auc"] > 0.7


def test_a_search_tries_parameters_of_the_library(kind, visits):
    depths = Search(method="grid", params={"max_depth": (1, 3)}, folds=3)
    trained = train(recipe(visits, kind, "group", search=depths))

    tried = trained.evaluation["search"]["tried"]
    assert {entry["params"]["max_depth"] for entry in tried} == {1, 3}
    assert trained.params["max_depth"] == trained.evaluation["search"]["best"]["max_depth"]


@pytest.mark.parametrize("target", ["paid", "group"])
def test_the_same_recipe_and_data_give_the_same_bytes(kind, target, visits):
    drawn = {"subsample": 0.7, "colsample_bytree": 0.7}
    drawn |= {"subsample_freq": 1} if kind == "lightgbm" else {}
    made = [train(recipe(visits, kind, target, params=drawn, seed=seed)) for seed in (1, 1, 2)]

    assert made[0].artifact() == made[1].artifact() != made[2].artifact()
    assert made[0].metadata() == made[1].metadata()


def test_nothing_is_written_to_the_terminal(kind, visits, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained = train(recipe(visits, kind, "group"))

    assert capfd.readouterr() == ("", "")
    assert all("'said' is free text" in note for note in trained.notes)


def test_mistakes_in_parameters_are_found_before_the_data_is_read(kind):
    written = f"""
        data = "missing.csv"
        target = "y"
        kind = "{kind}"
        [params]
        learning_rate = -1
        depth = 3
    """
    with pytest.raises(RecipeRefused) as refusal:
        Recipe.from_toml(written)

    unknown, wrong = sorted(refusal.value.mistakes, reverse=True)
    assert unknown.startswith(f"line 7: {kind} has no parameter 'depth'. Did you mean 'max_depth'?")
    assert wrong.startswith(f"line 6: The 'learning_rate' parameter of {kind} must be a float")


def test_what_the_library_refuses_is_reported_without_its_stack(kind, visits):
    table = pd.read_csv(visits)
    table["paid"] = -table["paid"]
    table.to_csv(visits, index=False)
    objective = {"xgboost": "count:poisson", "lightgbm": "poisson"}[kind]

    with pytest.raises(FitRefused, match=f"The {kind} model could not be fitted: ") as refusal:
        train(recipe(visits, kind, params={"objective": objective}))

    assert len(str(refusal.value).splitlines()) == 1


def test_a_first_recipe_can_be_trained(kind, visits):
    written = write_recipe(str(visits), "group", kind, "visits", str(visits))

    assert f'kind = "{kind}"' in written
    assert train(Recipe.from_toml(written)).metrics["accuracy"] > 0.4
    tried = written.replace("# [search]", "[search]").replace("# method", "method")
    Recipe.from_toml(tried.replace("# folds", "folds").replace("# params", "params"))
