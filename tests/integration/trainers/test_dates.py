"""A training on a column of dates gives a version that is compiled and takes ISO text."""

import json

import numpy as np
import pandas as pd
import pytest

from registry.codecs.json_reader import JsonReader
from registry.dates import parse_date
from registry.engines.loading import compiled_predictor
from registry.engines.predictor import example_batch
from registry.intake.compilation import compile_model
from registry.intake.signatures import read_signature
from trainers.errors import ColumnRefused
from trainers.recipe import Recipe
from trainers.recipe_writing import write_recipe
from trainers.training import train

ROWS = 300


@pytest.fixture
def sales(tmp_path):
    """Sales by hour, higher in December and on Saturdays; some rows have no date of delivery."""
    draws = np.random.default_rng(2)
    sold = pd.Timestamp("2024-01-01") + pd.to_timedelta(draws.integers(0, 17_000, ROWS), unit="h")
    amount = 50.0 * (sold.month == 12) + 20.0 * (sold.day_of_week == 5) + draws.normal(size=ROWS)
    delivered = pd.Series(sold.floor("D") + pd.Timedelta(days=2)).dt.strftime("%Y-%m-%d")
    delivered[draws.random(ROWS) < 0.1] = None
    path = tmp_path / "sales.csv"
    table = {"sold": sold.strftime("%Y-%m-%d %H:%M"), "delivered": delivered, "amount": amount}
    pd.DataFrame(table).to_csv(path, index=False)
    return path


def trained_on(path, kind, **more):
    return train(Recipe(data=str(path), target="amount", kind=kind, **more))


@pytest.mark.parametrize("kind", ["linear", "forest"])
def test_dates_are_learnt_from_and_the_model_is_compiled(sales, kind):
    params = {"n_estimators": 20} if kind == "forest" else {}
    trained = trained_on(sales, kind, params=params)

    assert [(c.name, c.type, c.nullable) for c in trained.signature.inputs] == [
        ("sold", "date", False),
        ("delivered", "date", True),
    ]
    own = read_signature(trained.pipeline, None)
    assert [column.type for column in own.inputs] == ["date", "date"]
    made = compile_model(trained.pipeline, trained.signature, trained.input_example)
    assert made.engine["name"] == {"linear": "linear", "forest": "trees"}[kind], made.engine
    served = compiled_predictor(made.blobs, made.blobs.__getitem__, trained.signature)
    body = json.dumps({"sold": "2025-12-20T10:30:00+01:00", "delivered": None}).encode()
    frame = pd.DataFrame(
        {"sold": pd.to_datetime(["2025-12-20T09:30"]), "delivered": pd.to_datetime([None])}
    )
    predicted = served.predict(JsonReader(trained.signature).read(body)).values
    assert predicted == trained.pipeline.predict(frame).tolist()


def test_what_is_learnt_from_a_date_fits_the_estimator(sales):
    linear, tree = trained_on(sales, "linear"), trained_on(sales, "tree")

    by_name = {entry["feature"] for entry in linear.evaluation["coefficients"]}
    assert {
        "sold_days",
        "sold_month_sin",
        "sold_month_cos",
        "sold_hour_sin",
        "sold_year",
    } <= by_name
    assert "delivered_hour_sin" not in by_name  # these dates have no time
    found = {entry["feature"]: entry["value"] for entry in tree.evaluation["importances"]}
    assert {"sold_month", "sold_weekday", "sold_hour", "sold_days", "delivered_days"} <= set(found)
    assert tree.metrics["rmse"] < 0.5 * tree.baseline["rmse"]


def test_the_example_and_the_ranges_have_dates_as_text(sales):
    trained = trained_on(sales, "tree")

    assert parse_date(trained.input_example["sold"]) > 0
    example_batch(trained.signature, trained.input_example)
    ends = trained.evaluation["columns"]["delivered"]
    assert "2024-01-03" <= ends["first"] < ends["last"] <= "2025-12-15"
    json.dumps(trained.metadata(), allow_nan=False)


def test_a_missing_date_is_filled_as_the_recipe_says(sales):
    recipe = f"""
        data = "{sales}"
        target = "amount"
        kind = "tree"
        [columns]
        sold = {{ type = "date", impute = "most_frequent" }}
        delivered = {{ impute = {{ constant = "2024-12-24" }} }}
    """

    trained = train(Recipe.from_toml(recipe))

    assert all(column.nullable for column in trained.signature.inputs)
    frame = pd.DataFrame({"sold": pd.to_datetime(["2024-05-05"] * 2)})
    frame["delivered"] = pd.to_datetime(["2024-12-24", None])
    given, filled = trained.pipeline.predict(frame)
    assert given == filled


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ('bands = { edges = [0, 1], labels = ["a"] }', "is a date, which has no logarithm"),
        ("log = true", "is a date, which has no logarithm"),
        ("one_hot = true", "declare another type, such as type = 'category'"),
        ('impute = { constant = "soon" }', "is a date and cannot be filled with 'soon'"),
        ('impute = "none"', "missing values, and impute is 'none'"),
    ],
)
def test_a_preparation_that_does_not_fit_a_date_is_refused(sales, how, message):
    recipe = f"""
        data = "{sales}"
        target = "amount"
        kind = "tree"
        columns.delivered = {{ {how} }}
    """

    with pytest.raises(ColumnRefused, match=message):
        train(Recipe.from_toml(recipe))


def test_a_first_recipe_names_dates_and_proposes_to_split_by_them(sales):
    written = write_recipe(str(sales), "amount", "linear", "sales", "sales.csv")

    assert "# dates from 2024-01-" in written
    assert 'delivered = { type = "date", impute = "median" }' in written
    assert '# column = "sold"' in written
    Recipe.from_toml(written)
