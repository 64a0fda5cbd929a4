"""A recipe says all that a training needs; every mistake in it is named."""

import pytest

from trainers.errors import RecipeRefused
from trainers.preparation import Bands, Constant, Preparation
from trainers.recipe import Recipe, parse_parameter

FULL = """
name = "shop"
description = "What a customer spends."
data = "customers.csv"
target = "spent"
kind = "forest"
task = "regression"
features = ["age", "city", "rate"]
exclude = ["id"]
test_size = 0.25
seed = 7

[params]
n_estimators = 20

[columns]
age = { bands = { edges = [0, 18, 100], labels = ["child", "adult"] } }
city = { impute = "most_frequent", one_hot = true }
rate = { impute = { constant = 0 }, scale = true }
note = { drop = true }
"""


def test_toml_is_parsed_into_a_typed_recipe():
    recipe = Recipe.from_toml(FULL)

    assert (recipe.name, recipe.kind, recipe.task) == ("shop", "forest", "regression")
    assert (recipe.data, recipe.target) == ("customers.csv", "spent")
    assert recipe.features == ("age", "city", "rate")
    assert recipe.exclude == ("id",)
    assert (recipe.test_size, recipe.seed) == (0.25, 7)
    assert dict(recipe.params) == {"n_estimators": 20}
    assert recipe.columns["age"] == Preparation(bands=Bands((0, 18, 100), ("child", "adult")))
    assert recipe.columns["city"] == Preparation(impute="most_frequent", one_hot=True)
    assert recipe.columns["rate"] == Preparation(impute=Constant(0), scale=True)
    assert recipe.columns["note"] == Preparation(drop=True)


def test_flags_and_toml_give_the_same_recipe():
    typed = Recipe(data="a.csv", target="y", kind="tree", params={"max_depth": 3}, seed=1)
    written = Recipe.from_toml(
        'data = "a.csv"\ntarget = "y"\nkind = "tree"\nseed = 1\nparams.max_depth = 3'
    )

    assert written == typed
    assert written.sha256 == typed.sha256


def test_the_digest_does_not_depend_on_the_location_of_the_data():
    here = Recipe(data="a.csv", target="y", kind="tree")

    assert Recipe(data="/elsewhere/a.csv", target="y", kind="tree").sha256 == here.sha256
    assert Recipe(data="a.csv", target="y", kind="tree", seed=1).sha256 != here.sha256
    assert Recipe(data="a.csv", target="y", kind="tree", params={"max_depth": 2}).sha256 != (
        here.sha256
    )


def test_how_a_version_goes_live_does_not_change_the_digest():
    written = 'data = "a.csv"\ntarget = "y"\nkind = "tree"\n'
    plain = Recipe.from_toml(written)
    rolled = Recipe.from_toml(f'{written}[promotion]\nrollout = "plan.json"')

    assert (plain.rollout, rolled.rollout) == ("", "plan.json")
    assert rolled.sha256 == plain.sha256
    assert Recipe.from_json(rolled.to_json()) == rolled


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("promotion = 'plan.json'", "promotion must be a table"),
        ("promotion.rollout = 7", "promotion.rollout must be a text"),
        ("estimator = 'x'", "estimator is not a known key"),
        ("features = 'a'", "features must be a list of texts"),
        ("features = [1]", "features must be a list of texts"),
        ("features = []", "features is empty"),
        ("exclude = ['y']", "exclude names the target 'y'"),
        ("features = ['a']\nexclude = ['a']", "exclude names 'a', which features also names"),
        ("test_size = '0.2'", "test_size must be a number"),
        ("test_size = 1.5", "test_size must be a share between 0 and 1"),
        ("test_size = nan", "test_size must be a share between 0 and 1"),
        ("seed = 1.5", "seed must be a whole number"),
        ("seed = true", "seed must be a whole number"),
        ("seed = -1", "seed must be a whole number from 0"),
        ("task = 'ranking'", "task must be one of regression, classification"),
        ("params = 3", "params must be a table"),
        ("columns = 3", "columns must be a table of columns"),
        ("columns.a = 3", "columns.a must be a table"),
        ("columns.a.fill = 3", "columns.a.fill is not a known key"),
        ("columns.a.scale = 1", "columns.a.scale must be true or false"),
        ("columns.a.impute = 'best'", "columns.a.impute must be one of"),
        ("columns.a.impute = {constant = []}", "columns.a.impute must be one of"),
        ("columns.a.bands = 3", "columns.a.bands must be a table"),
        ("columns.a.bands = {edges = 3, labels = []}", "columns.a.bands.edges must be a list"),
        ("columns.a.bands = {edges = [0, 1], labels = 3}", "columns.a.bands.labels must be a list"),
        ("columns.a.bands = {edges = [1, 0], labels = ['x']}", "columns.a: The edges of bands"),
        (
            "columns.a = {scale = true, one_hot = true}",
            "columns.a: a column cannot be both scaled and one-hot",
        ),
        (
            "columns.a = {scale = true, drop = true}",
            "columns.a: a dropped column cannot have another",
        ),
        (
            "columns.y.scale = true",
            "columns names the target 'y', of which only the type can be set",
        ),
    ],
)
def test_an_invalid_key_or_value_is_refused_by_name(line, named):
    with pytest.raises(RecipeRefused) as refusal:
        Recipe.from_toml(f"data = 'a.csv'\ntarget = 'y'\nkind = 'tree'\n{line}")

    assert named in str(refusal.value)


def test_all_mistakes_are_reported_at_once():
    with pytest.raises(RecipeRefused) as refusal:
        Recipe.from_toml("target = 3\nsed = 1")

    reported = " ".join(refusal.value.mistakes)
    assert len(refusal.value.mistakes) == 4
    assert all(name in reported for name in ("data is missing", "kind is missing", "target", "sed"))


def test_an_unknown_kind_is_refused():
    with pytest.raises(RecipeRefused, match="kind must be one of linear, logistic, tree, forest"):
        Recipe(data="a.csv", target="y", kind="other")


def test_only_bundled_sets_may_omit_the_target():
    assert Recipe(data="sklearn:iris", kind="tree").target == ""
    with pytest.raises(RecipeRefused, match="target is empty"):
        Recipe(data="a.csv", kind="tree")


def test_text_that_is_not_toml_is_refused_with_its_line():
    with pytest.raises(RecipeRefused, match=r"not TOML.*line 2"):
        Recipe.from_toml("kind = 'tree'\ndata = ?\n")


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("p=200", 200),
        ("p=0.5", 0.5),
        ("p=true", True),
        ("p=True", True),
        ("p=None", None),
        ("p=sqrt", "sqrt"),
        ('p="12"', "12"),
        ("p=[1, 2]", [1, 2]),
        ("p = a=b", "a=b"),
        ("p=1\nq = 2", "1\nq = 2"),
    ],
)
def test_parameters_are_parsed_as_typed(typed, value):
    name, read = parse_parameter(typed)

    assert (name, read) == ("p", value)
    assert type(read) is type(value)


@pytest.mark.parametrize("typed", ["n_estimators", "=3", ""])
def test_a_parameter_without_name_or_value_is_refused(typed):
    with pytest.raises(RecipeRefused, match="write name=value"):
        parse_parameter(typed)
