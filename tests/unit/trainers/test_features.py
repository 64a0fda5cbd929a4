"""Each column is prepared by its type and by what the estimator wants, unless the recipe says."""

import numpy as np
import pandas as pd
import pytest

from registry.codecs.data_frame import to_frame
from registry.signature import Column, Output, Signature
from trainers.columns import type_column
from trainers.errors import ColumnNotFound, ColumnRefused, NoFeatures
from trainers.features import choose, column_transformer, plan
from trainers.preparation import Bands, Constant, Preparation
from trainers.recipe import Recipe

DATA = {
    "size": [1.0, 2.0, np.nan, 4.0],
    "age": [10.0, 20.0, 30.0, 40.0],
    "member": [True, False, True, True],
    "city": ["Ghent", None, "Turin", "Ghent"],
}


def prepared(name, how=None, scaled=False):
    """The encoded column, rows x outputs."""
    values = type_column(name, pd.Series(DATA[name]))
    treatment = plan(values, how or Preparation(), scaled=scaled)
    signature = Signature((Column(name, values.type, True),), Output("y", "number"))
    frame = to_frame({name: values.array}, signature)
    return column_transformer({name: treatment}).fit_transform(frame).tolist()


def test_missing_numbers_are_filled_with_the_median():
    assert prepared("size") == [[1.0], [2.0], [2.0], [4.0]]


def test_missing_numbers_stay_where_the_estimator_learns_from_them():
    values = type_column("size", pd.Series(DATA["size"]))

    kept = plan(values, Preparation(), scaled=False, takes_missing=True)

    assert (kept.impute, kept.encode) == (None, "as_is")
    asked = plan(values, Preparation(impute="mean"), scaled=False, takes_missing=True)
    assert asked.impute == "mean"


def test_numbers_are_standardised_if_the_estimator_needs_it():
    scaled = np.array(prepared("age", scaled=True))

    assert scaled.mean() == pytest.approx(0)
    assert scaled.std() == pytest.approx(1)
    assert prepared("age") == [[10.0], [20.0], [30.0], [40.0]]


def test_the_logarithm_follows_the_fill_and_precedes_scaling():
    logs = np.log1p([1.0, 2.0, 2.0, 4.0])

    assert np.ravel(prepared("size", Preparation(log=True))) == pytest.approx(logs)
    scaled = np.ravel(prepared("size", Preparation(log=True), scaled=True))
    assert scaled == pytest.approx((logs - logs.mean()) / logs.std())


@pytest.mark.parametrize("name", ["city", "member"])
def test_only_numbers_have_a_logarithm(name):
    with pytest.raises(ColumnRefused, match=f"'{name}' is .* has no logarithm"):
        prepared(name, Preparation(log=True))


def test_booleans_are_zero_and_one_and_never_scaled():
    assert prepared("member", scaled=True) == [[1.0], [0.0], [1.0], [1.0]]


def test_categories_are_one_hot_encoded_with_one_for_missing():
    assert prepared("city") == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]


def test_an_unknown_category_is_accepted():
    values = type_column("city", pd.Series(["Ghent", "Turin"]))
    encoder = column_transformer({"city": plan(values, Preparation(), scaled=False)})
    encoder.fit(pd.DataFrame({"city": pd.Series(["Ghent", "Turin"], dtype=object)}))

    unseen = pd.DataFrame({"city": pd.Series(["Leeds"], dtype=object)})
    assert encoder.transform(unseen).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ("name", "how", "third_row"),
    [
        ("size", Preparation(impute=Constant(0)), [0.0]),
        ("size", Preparation(impute="mean"), [7 / 3]),
        ("size", Preparation(bands=Bands((0, 2, 9), ("small", "large"))), [0.0, 0.0]),
        ("age", Preparation(bands=Bands((0, 20, 90), ("young", "old"))), [0.0, 1.0]),
        ("age", Preparation(one_hot=True), [0.0, 0.0, 1.0, 0.0]),
        ("member", Preparation(scale=True), [pytest.approx(0.57735, abs=1e-5)]),
        ("city", Preparation(impute="most_frequent"), [0.0, 1.0]),
        ("city", Preparation(impute=Constant("Ghent")), [0.0, 1.0]),
    ],
)
def test_the_recipe_overrides_the_preparation_of_a_column(name, how, third_row):
    assert prepared(name, how)[2] == third_row


@pytest.mark.parametrize(
    ("name", "how", "reported"),
    [
        ("city", Preparation(scale=True), "is text"),
        ("city", Preparation(bands=Bands((0, 1), ("a",))), "is text"),
        ("city", Preparation(impute="mean"), "has no mean"),
        ("city", Preparation(impute=Constant(0)), "cannot be filled with 0"),
        ("age", Preparation(impute=Constant("x")), "cannot be filled with 'x'"),
        ("size", Preparation(impute="none"), "has 1 missing values, and impute is 'none'"),
    ],
)
def test_an_unsuitable_preparation_is_refused(name, how, reported):
    with pytest.raises(ColumnRefused, match=f"'{name}' .*{reported}"):
        prepared(name, how)


def test_columns_with_the_same_treatment_share_a_step():
    steps = column_transformer(
        {
            name: plan(type_column(name, pd.Series(DATA[name])), how, scaled=True)
            for name, how in (
                ("age", Preparation()),
                ("city", Preparation()),
                ("size", Preparation(impute=Constant(0))),
                ("member", Preparation(scale=True)),
            )
        }
    ).transformers

    assert [(name, columns) for name, _, columns in steps] == [
        ("scale", ["age", "member"]),
        ("constant_one_hot", ["city"]),
        ("constant_scale", ["size"]),
    ]


def test_two_columns_in_different_bands_have_steps_of_different_names():
    age = type_column("age", pd.Series(DATA["age"]))
    size = type_column("size", pd.Series(DATA["size"]))
    steps = column_transformer(
        {
            "age": plan(age, Preparation(bands=Bands((0, 9), ("a",))), scaled=False),
            "size": plan(size, Preparation(bands=Bands((0, 8), ("a",))), scaled=False),
        }
    ).transformers

    assert [name for name, _, _ in steps] == ["bands", "bands_2"]


COLUMNS = ["id", "size", "age", "city", "price"]


def recipe(**fields):
    return Recipe(data="a.csv", target="price", kind="linear", **fields)


def test_features_default_to_all_columns_except_the_target():
    assert choose(COLUMNS, recipe(), "price") == ["id", "size", "age", "city"]
    assert choose(COLUMNS, recipe(exclude=("id",)), "price") == ["size", "age", "city"]
    assert choose(COLUMNS, recipe(columns={"id": Preparation(drop=True)}), "price") == [
        "size",
        "age",
        "city",
    ]
    assert choose(COLUMNS, recipe(features=("city", "age")), "price") == ["city", "age"]


@pytest.mark.parametrize(
    "fields",
    [
        {"features": ("siez",)},
        {"exclude": ("siez",)},
        {"columns": {"siez": Preparation(scale=True)}},
    ],
)
def test_an_unknown_column_is_refused_with_near_matches(fields):
    with pytest.raises(ColumnNotFound, match=r"no column 'siez'.*Did you mean 'size'"):
        choose(COLUMNS, recipe(**fields), "price")


def test_a_recipe_without_features_is_refused():
    with pytest.raises(NoFeatures):
        choose(COLUMNS, recipe(exclude=tuple(set(COLUMNS) - {"price"})), "price")
