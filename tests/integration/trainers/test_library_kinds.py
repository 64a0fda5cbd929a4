"""XGBoost and LightGBM train like the kinds of scikit-learn: from a recipe to a version's metadata,
and to predictions that are served without the libraries."""

import io
import json
from copy import deepcopy
from functools import cache

import numpy as np
import pandas as pd
import pytest

from registry.engines.loading import compiled_predictor
from registry.engines.predictor import SklearnPredictor
from registry.formats.reading import read_model
from registry.intake.compilation import compile_model
from registry.intake.samples import sample
from trainers.errors import FitRefused, RecipeRefused
from trainers.estimators import family_of
from trainers.model_kinds import LIBRARY_KINDS
from trainers.recipe import Recipe
from trainers.recipe_writing import write_recipe
from trainers.search_space import Search
from trainers.training import train

pytestmark = pytest.mark.parametrize("kind", LIBRARY_KINDS)
TARGETS = {"paid", "group", "code", "passed"}
CLASSES = {"group": ("low", "middle", "top"), "code": (3, 7, 20), "passed": (False, True)}


@pytest.fixture(scope="module")
def visits(tmp_path_factory):
    """Numbers with missing values, dates, free text, a quantity, and three kinds of classes."""
    draws = np.random.default_rng(5)
    words = np.array(["good", "bad", "late", "fast", "broken", "again"])
    said = [" ".join(draws.choice(words, 6)) for _ in range(150)]
    age = np.where(draws.random(150) < 0.1, np.nan, draws.uniform(18, 90, 150).round(1))
    paid = 10 * np.nan_to_num(age) + 90 * np.array([text.count("good") for text in said])
    third = pd.qcut(paid, 3, labels=False)
    table = pd.DataFrame(
        {
            "age": age,
            "city": draws.choice(["Ghent", "Leeds", "Turin"], 150),
            "day": pd.date_range("2026-01-01", periods=150).strftime("%Y-%m-%d"),
            "said": said,
            "paid": paid.round(2),
            "group": np.array(CLASSES["group"])[third],
            "code": np.array(CLASSES["code"])[third],
            "passed": third > 0,
        }
    )
    path = tmp_path_factory.mktemp("visits") / "visits.csv"
    table.to_csv(path, index=False)
    return path


def recipe(data, kind, target="paid", **more):
    drawn = {"n_estimators": 5, "subsample": 0.7}
    drawn |= {"subsample_freq": 1, "min_child_samples": 5} if kind == "lightgbm" else {}
    params = {**drawn, **more.pop("params", {})}
    left_out = tuple(sorted(TARGETS - {target}))
    return Recipe(data=str(data), kind=kind, target=target, exclude=left_out, params=params, **more)


@pytest.fixture(scope="module")
def trained(visits):
    """Trains by a kind and a target, once for each."""
    return cache(lambda kind, target: train(recipe(visits, kind, target)))


def test_a_quantity_is_trained_with_metrics_intervals_and_importances(kind, trained):
    model = trained(kind, "paid")

    document = json.loads(json.dumps(model.metadata(), allow_nan=False))
    assert (document["kind"], document["lineage"]["recipe"]["kind"]) == ("boosting", kind)
    assert (document["params"]["n_estimators"], document["params"]["subsample"]) == (5, 0.7)
    assert document["environment"][kind]
    assert model.metrics["rmse"] < model.baseline["rmse"]
    assert document["evaluation"]["metric_intervals"].keys() == model.metrics.keys()
    assert document["evaluation"]["importances"]
    columns = {column.name: (column.type, column.nullable) for column in model.signature.inputs}
    assert (columns["age"], columns["day"]) == (("number", True), ("date", False))


@pytest.mark.parametrize("target", CLASSES)
def test_classes_keep_their_labels(kind, target, trained):
    model = trained(kind, target)

    assert model.signature.output.classes == CLASSES[target]
    assert kind in model.environment
    assert set(model.pipeline.predict(model.held_out).tolist()) <= set(CLASSES[target])
    assert model.metrics["log_loss"] < model.baseline["log_loss"]
    assert model.metrics["accuracy"] > model.baseline["accuracy"]


def own_and_served(model):
    """The predictions of the library's own estimator, and those of the compiled artifact after it
    went through the allow-list, for rows with missing values and unknown categories."""
    read = read_model(io.BytesIO(model.artifact()), "skops")
    made = compile_model(read, model.signature, model.input_example)
    assert made.engine["name"] == "trees"
    compiled = compiled_predictor(made.blobs, made.blobs.__getitem__, model.signature)
    rows = sample(read, model.signature, None, 200)
    library = SklearnPredictor(deepcopy(model.pipeline), model.signature)  # it sets n_jobs
    shares = model.task == "classification"
    return [each.predict(rows, probabilities=shares) for each in (library, compiled)]


@pytest.mark.filterwarnings("ignore:Found unknown categories:UserWarning")
@pytest.mark.parametrize("target", ["paid", "group", "passed"])
def test_served_predictions_are_those_of_the_library_to_the_last_bit(kind, target, trained):
    own, served = own_and_served(trained(kind, target))

    assert served.values == own.values
    assert len(set(served.values)) > 1
    if target != "paid":
        assert np.array_equal(served.probabilities, own.probabilities)


@pytest.mark.slow
def test_every_offered_objective_is_served(kind, tmp_path):
    draws = np.random.default_rng(1)
    table = pd.DataFrame({"x": draws.normal(size=80), "y": draws.random(80)})
    table.to_csv(tmp_path / "t.csv", index=False)
    objectives, *_ = family_of(kind).constraints["regression"]["objective"]

    for objective in objectives.options:
        params = {"objective": objective}
        model = train(Recipe(data=str(tmp_path / "t.csv"), target="y", kind=kind, params=params))
        own, served = own_and_served(model)
        assert served.values == own.values, objective


def test_a_search_tries_parameters_of_the_library(kind, visits):
    depths = Search(method="grid", params={"max_depth": (1, 3)}, folds=2)
    model = train(recipe(visits, kind, "group", search=depths))

    search = model.evaluation["search"]
    assert {entry["params"]["max_depth"] for entry in search["tried"]} == {1, 3}
    assert model.params["max_depth"] == search["best"]["max_depth"]


def test_the_same_recipe_and_data_give_the_same_bytes(kind, visits, trained, capfd):
    model, again = trained(kind, "group"), train(recipe(visits, kind, "group"))

    assert again.artifact() == model.artifact()
    assert again.metadata() == model.metadata()
    assert capfd.readouterr() == ("", "")


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

    wrong, unknown = refusal.value.mistakes
    assert wrong.startswith(f"line 6: The 'learning_rate' parameter of {kind} must be a float")
    assert unknown.startswith(f"line 7: {kind} has no parameter 'depth'. Did you mean 'max_depth'?")


def test_what_the_library_refuses_is_reported_without_its_stack(kind, visits, tmp_path):
    table = pd.read_csv(visits)
    table["paid"] = -table["paid"]
    table.to_csv(tmp_path / "negative.csv", index=False)
    objective = {"xgboost": "count:poisson", "lightgbm": "poisson"}[kind]

    with pytest.raises(FitRefused) as refusal:
        train(recipe(tmp_path / "negative.csv", kind, params={"objective": objective}))

    why = {
        "xgboost": "label must be non-negative for Poisson/Tweedie regression.",
        "lightgbm": "[poisson]: at least one target label is negative",
    }
    assert str(refusal.value) == f"The {kind} model could not be fitted: {why[kind]}"


def test_a_first_recipe_has_parameters_of_the_library(kind, visits):
    written = write_recipe(str(visits), "group", kind, "visits", str(visits))
    for key in ("[search]", "method", "folds", "params"):
        written = written.replace(f"# {key}", key)

    searched = Recipe.from_toml(written)

    assert (searched.kind, searched.params) == (kind, {"n_estimators": 100})
    assert "learning_rate" in searched.search.params
