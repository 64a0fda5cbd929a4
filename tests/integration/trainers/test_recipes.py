"""The recipes that come with the trainers, each the small system of an article."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import trainers
from registry.codecs.data_frame import to_frame
from trainers.errors import RecipeRefused
from trainers.recipe import Recipe
from trainers.training import train

RECIPES = Path(trainers.__file__).parent / "recipes"


def cooked(name):
    return train(Recipe.from_toml(RECIPES / name))


def predict(model, **row):
    """The prediction for one row given by name; None is a missing value."""
    columns = {
        column.name: np.array(
            [np.nan if row[column.name] is None else row[column.name]],
            dtype=object if column.type == "string" else np.float64,
        )
        for column in model.signature.inputs
    }
    return model.pipeline.predict(to_frame(columns, model.signature))[0]


HOUSE = {
    "longitude": -120.5,
    "latitude": 37.0,
    "housing_median_age": 30.0,
    "total_rooms": 2600.0,
    "total_bedrooms": 540.0,
    "population": 1500.0,
    "households": 500.0,
    "median_income": 4.0,
    "ocean_proximity": "INLAND",
}


def test_house_prices_by_linear_regression_on_standardised_features():
    model = cooked("house-prices.toml")

    assert model.metrics["rmse"] < 0.6 * model.baseline["rmse"]
    assert predict(model, **HOUSE | {"median_income": 8.0}) > predict(model, **HOUSE) + 50_000
    assert predict(model, **HOUSE | {"ocean_proximity": "NEAR BAY"}) > predict(model, **HOUSE)
    assert np.isfinite(predict(model, **HOUSE | {"total_bedrooms": None}))
    assert np.isfinite(predict(model, **HOUSE | {"ocean_proximity": "ON THE MOON"}))
    nullable = [column.name for column in model.signature.inputs if column.nullable]
    assert nullable == ["total_bedrooms"]


def test_the_house_prices_recipe_accepts_another_table_with_the_same_columns(tmp_path):
    houses = pd.read_csv(RECIPES / "data" / "houses.csv").sample(100, random_state=1)
    houses.to_csv(tmp_path / "mine.csv", index=False)
    recipe = Recipe.from_toml(RECIPES / "house-prices.toml")

    model = train(replace(recipe, data=str(tmp_path / "mine.csv")))

    assert model.lineage["data_rows"] == 100
    assert model.lineage["recipe_sha256"] == recipe.sha256


def test_irises_by_logistic_regression():
    model = cooked("iris-logistic.toml")

    assert model.metrics["accuracy"] > 0.9
    assert model.signature.output.classes == ("setosa", "versicolor", "virginica")


def test_irises_by_a_tree_called_with_named_measurements():
    model = cooked("iris-tree.toml")
    measured = {
        "petal width (cm)": 0.2,
        "petal length (cm)": 1.4,
        "sepal width (cm)": 3.5,
        "sepal length (cm)": 5.1,
    }

    assert model.params["max_depth"] == 3
    assert predict(model, **measured) == "setosa"
    measured |= {"petal width (cm)": 2.2, "petal length (cm)": 6.0}
    assert predict(model, **measured) == "virginica"


def test_the_sales_recipe_fills_the_rate_with_zero_and_sales_with_the_mean():
    model = cooked("monthly-sales.toml")
    data = pd.read_csv(RECIPES / "data" / "monthly_sales.csv")
    row = {"rate": 6.0, "sales_first_month": 3000.0, "sales_second_month": 3100.0}

    assert model.metrics["r2"] > 0.8
    assert all(column.nullable for column in model.signature.inputs)
    assert predict(model, **row | {"rate": None}) == predict(model, **row | {"rate": 0.0})
    # The mean is that of the rows trained on, which held-out rows move a little.
    mean = data["sales_first_month"].mean()
    assert predict(model, **row | {"sales_first_month": None}) == pytest.approx(
        predict(model, **row | {"sales_first_month": mean}), rel=0.05
    )


CUSTOMER = {"age": 45, "income": 32000, "visits": 6, "member": False, "city": "Ghent"}


def test_customers_by_a_forest_on_named_bands_of_age():
    model = cooked("customers.toml")
    features = model.pipeline[0].get_feature_names_out().tolist()

    assert model.metrics["roc_auc"] > 0.6
    assert features[:4] == [f"bands__age_{band}" for band in ("child", "young", "adult", "senior")]
    assert "customer_id" not in model.signature.names
    assert model.signature.output.classes == ("no", "yes")


def test_customers_of_one_band_are_alike():
    model = cooked("customers.toml")

    def chance(age):
        columns = {
            name: np.array([value], dtype=object if isinstance(value, str) else np.float64)
            for name, value in (CUSTOMER | {"age": age}).items()
        }
        return model.pipeline.predict_proba(to_frame(columns, model.signature))[0, 1]

    assert chance(31) == chance(60)
    assert chance(60) != chance(15)
    assert chance(np.nan) == chance(150)


def test_every_recipe_can_be_read_from_any_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipes = [Recipe.from_toml(path) for path in sorted(RECIPES.glob("*.toml"))]

    assert len(recipes) == 5
    assert all(
        recipe.data.startswith("sklearn:") or Path(recipe.data).is_file() for recipe in recipes
    )


def test_a_missing_or_non_text_recipe_is_refused(tmp_path):
    (tmp_path / "bytes.toml").write_bytes(b"name = '\xff'")

    with pytest.raises(RecipeRefused, match=r"none\.toml.*No such file"):
        Recipe.from_toml(tmp_path / "none.toml")
    with pytest.raises(RecipeRefused, match="not UTF-8"):
        Recipe.from_toml(tmp_path / "bytes.toml")
