"""The recipes of examples/ train the models of plain scikit-learn, and their pages are right.

tests/system/test_examples.py runs the commands of the pages.
"""

import re
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from runpy import run_path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    accuracy_score,
    mean_squared_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.pipeline import Pipeline

from registry.codecs.json_reader import JsonReader
from registry.codecs.json_reply import JsonWriter
from registry.engines.predictor import SklearnPredictor
from tests.examples import (
    ALL,
    EXAMPLES,
    HOUSES,
    IRISES,
    PASSENGERS,
    PROXIED,
    SALES,
    Example,
    plain_model,
    replies_in,
)
from trainers.recipe import Recipe
from trainers.trained import TrainedModel
from trainers.training import train

ROUNDING = 1e-9
"""Sums are added in another order where columns are in another order."""
KINDS = [
    pytest.param(HOUSES, "linear", id="house-prices"),
    pytest.param(PASSENGERS, "logistic", id="passengers-logistic"),
    pytest.param(PASSENGERS, "tree", id="passengers-tree"),
    pytest.param(PASSENGERS, "forest", id="passengers-forest"),
    pytest.param(PASSENGERS, "boosting", id="passengers-boosting", marks=pytest.mark.slow),
    pytest.param(IRISES, "tree", id="iris"),
    pytest.param(SALES, "linear", id="monthly-sales"),
    pytest.param(PROXIED, "logistic", id="behind-a-proxy"),
]


@cache
def trained(example: Example, kind: str) -> TrainedModel:
    return train(replace(Recipe.from_toml(example.recipe), kind=kind))


@cache
def plain(example: Example, kind: str) -> Pipeline:
    return plain_model(example, kind)


@pytest.mark.parametrize(("example", "kind"), KINDS)
def test_the_recipe_trains_the_model_of_plain_scikit_learn(example: Example, kind: str) -> None:
    ours, theirs, rows = trained(example, kind).pipeline, plain(example, kind), example.rows()

    if hasattr(theirs, "predict_proba"):
        assert ours.predict(rows).tolist() == theirs.predict(rows).tolist()
        both = ours.predict_proba(rows), theirs.predict_proba(rows)
    else:
        both = ours.predict(rows), theirs.predict(rows)
    np.testing.assert_allclose(*both, rtol=ROUNDING)


@pytest.mark.parametrize(("example", "kind"), KINDS)
def test_the_metrics_are_those_of_scikit_learn(example: Example, kind: str) -> None:
    model, theirs = trained(example, kind), plain(example, kind)
    _, rows, _, true = example.split()
    made = theirs.predict(rows)
    if model.task == "regression":
        expected = {
            "mse": mean_squared_error(true, made),
            "rmse": root_mean_squared_error(true, made),
            "r2": r2_score(true, made),
        }
    else:
        chances = theirs.predict_proba(rows)
        chances = chances[:, 1] if chances.shape[1] == 2 else chances
        auc = roc_auc_score(true, chances, multi_class="ovr")
        expected = {"accuracy": accuracy_score(true, made), "roc_auc": auc}

    assert {name: model.metrics[name] for name in expected} == pytest.approx(expected, rel=ROUNDING)


@pytest.mark.parametrize("example", ALL, ids=str)
def test_the_bodies_of_the_page_get_its_replies(example: Example) -> None:
    model = trained(example, Recipe.from_toml(example.recipe).kind)
    predictor = SklearnPredictor(model.pipeline, model.signature)
    writer = JsonWriter(example.model, 1, model.signature)
    asked = "probabilities=true" in example.page

    replies = []
    for body in example.bodies():
        batch = JsonReader(model.signature).read(body)
        predictions = predictor.predict(batch, probabilities=asked)
        replies.append(writer.write(predictions, single=batch.single).decode())

    assert [*replies_in("\n".join(replies))] == [*replies_in(example.page)], replies


def test_the_form_has_a_field_for_each_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES / "monthly-sales")
    page = import_module("page")

    shown = page.app.test_client().get("/")

    fields = re.findall(r'<input name="(\w+)"', shown.text)
    assert tuple(fields) == trained(SALES, "linear").signature.names


def test_a_recipe_accepts_another_table_with_the_same_columns(tmp_path: Path) -> None:
    houses = pd.read_csv(EXAMPLES / "house-prices" / "houses.csv").sample(100, random_state=1)
    houses.to_csv(tmp_path / "mine.csv", index=False)
    recipe = Recipe.from_toml(HOUSES.recipe)

    model = train(replace(recipe, data=str(tmp_path / "mine.csv")))

    assert model.lineage["data_rows"] == 100
    assert model.lineage["recipe_sha256"] == recipe.sha256


def test_the_data_of_every_recipe_is_found_from_any_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipes = [Recipe.from_toml(path) for path in sorted(EXAMPLES.glob("*/*.toml"))]

    assert len(recipes) == len(ALL) + 1
    assert all(
        recipe.data.startswith("sklearn:") or Path(recipe.data).is_file() for recipe in recipes
    )


def test_the_script_writes_the_same_tables_again(tmp_path: Path) -> None:
    run_path(str(EXAMPLES / "make_data.py"))["write_tables"](tmp_path)

    written = sorted(tmp_path.rglob("*.csv"))
    assert written == sorted(
        tmp_path / path.relative_to(EXAMPLES) for path in EXAMPLES.rglob("*.csv")
    )
    for table in written:
        assert table.read_bytes() == (EXAMPLES / table.relative_to(tmp_path)).read_bytes()


def test_every_example_is_in_the_list() -> None:
    folders = {path.parent.name for path in EXAMPLES.glob("*/recipe.toml")}

    assert folders == {example.folder for example in ALL}
    listed = re.findall(r"^\| \[(\S+)\]", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(folders)
