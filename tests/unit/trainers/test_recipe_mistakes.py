"""A recipe is checked completely before its data is read, and each mistake has its line."""

import pytest

from trainers.errors import RecipeRefused
from trainers.origin import Origin
from trainers.recipe import Recipe

BASE = 'data = "there-is-no-such-file.csv"\ntarget = "y"\nkind = "forest"\n'


def mistakes(text):
    with pytest.raises(RecipeRefused) as refusal:
        Recipe.from_toml(text)
    return refusal.value.mistakes


def test_mistakes_are_reported_in_the_order_of_their_lines():
    reported = mistakes("""\
data = "a.csv"
target = "y"
kind = "tree"
test_size = 2
colour = "red"
exclude = [
  "a",
  "y",
]
[params]
depth = 3
max_depth = "deep"
[columns.age]
impute = "best"
[columns.size]
bands = { edges = [0, 1,
  "two"], labels = ["a", "b"] }
[search]
method = "grid"
folds = 1.5
""")

    lines = [said.partition(":")[0] for said in reported]
    expected = (4, 5, 8, 11, 12, 14, 17, 20)
    assert lines == [f"line {line}" for line in expected]
    assert "colour is not a known key" in reported[1]
    assert "tree has no parameter 'depth'. Did you mean 'max_depth'?" in reported[3]
    assert "'max_depth' parameter" in reported[4]


def test_a_contradiction_between_two_keys_names_the_line_of_the_wrong_one():
    reported = mistakes(f"{BASE}[columns.a]\nscale = true\n[columns.y]\nscale = true\n")

    assert reported == ("line 6: columns names the target 'y', of which only the type can be set",)


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("delimiter = '§'", "line 4: delimiter must be a single ASCII character, not '§'"),
        ("encoding = 'idna'", "line 4: encoding 'idna' is not a known text encoding"),
        (
            "[split]\nby = 'chance'",
            "line 5: split.by must be one of random, stratified, group, time",
        ),
        ("split = 3", "line 4: split must be a table"),
        ("[split]\nby = 'group'", "line 5: split.column is missing: name the column of the group"),
        ("[split]\nby = 'random'\ncolumn = 'a'", "line 6: split.column requires by = 'group'"),
        ("[split]\nby = 'time'\ncolumn = 'y'", "line 6: split.column is the target 'y'"),
        (
            "task = 'regression'\nsplit.by = 'stratified'",
            "line 5: a stratified split requires classes",
        ),
        ("gates = 'rmse < 1'", "line 4: gates must be a list of texts"),
        ("gates = ['r2 > 0',\n' ']", "line 5: gates[1]: Invalid gate"),
        (
            "columns.a = { log = true, one_hot = true }",
            "line 4: columns.a: a logarithm cannot be one-hot encoded or cut",
        ),
        ("params.max_features = nan", "line 4: params.max_features must be a finite number"),
        (
            "params.max_features = 2026-01-01",
            "line 4: params.max_features must be a number, a text",
        ),
        (f"test_size = 1{'0' * 400}", "line 4: test_size must be a number that a float can hold"),
        (
            "columns.a.type = 'float'",
            "line 4: columns.a: type must be one of number, integer, boolean, category, text, date",
        ),
        (
            f"columns.a.bands = {{ edges = [0,\n 1{'0' * 400}], labels = ['a'] }}",
            "line 5: columns.a.bands.edges[1] must be a number that a float can hold",
        ),
        (
            f"columns.a.impute = {{ constant = 1{'0' * 400} }}",
            "line 4: columns.a.impute must be one",
        ),
        (f"seed = {'1' * 5000}", "it is not TOML: "),
        ("name = 'my model'", "line 4: name: 'my model' is not a valid model name"),
        (f"description = '{'x' * 10_001}'", "line 4: description has 10,001 characters"),
        ('description = "\\u0000"', "line 4: description: The character U+0000"),
        ("params.n_jobs = 2", "line 4: forest has no parameter 'n_jobs'"),
        ("params.random_state = 2", "line 4: random_state is set by the seed"),
        ("params.n_estimators = -1", "line 4: The 'n_estimators' parameter"),
    ],
)
def test_mistakes_are_reported_with_their_line(text, reported):
    (said,) = mistakes(BASE + text)

    assert said.startswith(reported)


@pytest.mark.parametrize(
    ("search", "reported"),
    [
        ("folds = 3", "line 4: search.method is missing"),
        ("method = 'best'\nparams.max_depth = [1, 2]", "line 5: search.method must be one of grid"),
        ("method = 'grid'", "line 4: search.params is empty"),
        ("method = 'grid'\nparams.max_depth = []", "line 6: search.params.max_depth is empty"),
        (
            "method = 'grid'\nparams.max_depth = [3]",
            "line 6: search.params has only one combination",
        ),
        (
            "method = 'grid'\nparams.max_depth = [3, 3]",
            "line 6: search.params.max_depth has a value",
        ),
        (
            "method = 'grid'\nparams.max_depth = { low = 1, high = 3 }",
            "line 6: search.params.max_depth is a range",
        ),
        (
            "method = 'random'\nparams.max_depth = { low = 3, high = 3 }",
            "line 6: search.params.max_depth is empty",
        ),
        (
            "method = 'random'\nparams.ccp_alpha = { low = 0, high = 1, log = true }",
            "line 6: search.params.ccp_alpha has no logarithm",
        ),
        (
            "method = 'random'\nparams.max_depth = { low = 1 }",
            "line 6: search.params.max_depth must",
        ),
        (
            "method = 'random'\ndraws = 9\nparams.max_depth = { low = 1, high = 3 }",
            "line 6: search.draws is 9, and there are only 3 combinations",
        ),
        (
            "method = 'random'\ndraws = 0\nparams.max_depth = [1, 2]",
            "line 6: search.draws must be from 1",
        ),
        ("method = 'grid'\ndraws = 2\nparams.max_depth = [1, 2]", "line 6: search.draws requires"),
        (
            "method = 'grid'\nfolds = 1\nparams.max_depth = [1, 2]",
            "line 6: search.folds must be a whole",
        ),
        (
            f"method = 'random'\nparams.ccp_alpha = {{ low = 0.0, high = 1{'0' * 400} }}",
            "line 6: search.params.ccp_alpha.high must be a number that a float can hold",
        ),
        ("method = 'grid'\nparams.depth = [1, 2]", "line 6: forest has no parameter 'depth'"),
        ("method = 'grid'\nparams.max_depth = [1, 'x']", "line 6: The 'max_depth' parameter"),
        ("method = 'grid'\nmetric = 'rsme'\nparams.max_depth = [1, 2]", "line 6: regression or"),
    ],
)
def test_an_empty_or_invalid_search_is_refused(search, reported):
    (said,) = mistakes(f"{BASE}[search]\n{search}\n")

    assert said.startswith(reported)


def test_too_many_combinations_of_a_search_are_refused():
    values = list(range(1, 102))
    text = (
        f"[search]\nmethod = 'grid'\nparams = {{ max_depth = {values}, n_estimators = {values} }}"
    )

    assert "10,201 combinations; at most 10,000 are tried" in mistakes(BASE + text)[0]


def test_a_parameter_cannot_be_both_fixed_and_searched():
    text = "params.max_depth = 3\n[search]\nmethod = 'grid'\nparams.max_depth = [1, 2]"

    assert mistakes(BASE + text) == ("line 7: 'max_depth' is in both params and search.params",)


@pytest.mark.parametrize(
    ("kind", "gate", "known"),
    [
        ("linear", "accuracy >= 0.9", "regression has no metric 'accuracy'; it has rmse, mae"),
        ("logistic", "rmse <= champion", "classification has no metric 'rmse'; it has accuracy"),
    ],
)
def test_a_gate_on_a_metric_of_another_task_is_refused(kind, gate, known):
    (said,) = mistakes(f'data = "a.csv"\ntarget = "y"\nkind = "{kind}"\ngates = ["{gate}"]\n')

    assert said.startswith(f"line 4: {known}")


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("rsme <= 3 @ 95%", "there is no metric 'rsme'"),
        ("rmse <= champion *", "expected a number"),
        ("engine in lions", "lions"),
    ],
)
def test_an_invalid_gate_is_refused(gate, said):
    (mistake,) = mistakes(f'data = "a.csv"\ntarget = "y"\nkind = "forest"\ngates = ["{gate}"]\n')

    assert mistake.startswith("line 4: gates[0]: Invalid gate")
    assert said in mistake


def test_gates_without_metrics_are_accepted():
    gates = ("signature compatible", "input_example answered", "latency_ms <= 5", "engine in trees")

    assert Recipe(data="a.csv", target="y", kind="tree", gates=gates).gates == gates


def test_mistakes_in_options_have_no_line():
    origin = Recipe.from_toml(BASE).origin

    assert origin.line(("target",)) == 2
    assert origin.line(("columns", "a")) is None
    assert origin.without({"target"}).line(("target",)) is None
    assert Origin().where(("target",)) == ""


FULL = (
    BASE
    + """\
name = "n"
description = "d"
task = "regression"
features = ["a", "b", "c"]
exclude = ["z"]
test_size = 0.3
seed = 4
gates = ["rmse <= 1"]
split = { by = "time", column = "when" }
params = { max_depth = 3 }
[columns]
a = { impute = { constant = 1 }, log = true, scale = false }
b = { bands = { edges = [0, 1], labels = ["x"] } }
c = { impute = "none", one_hot = true }
d = { drop = true }
[search]
method = "random"
folds = 3
draws = 4
metric = "mae"
params = { min_samples_leaf = { low = 1, high = 9, log = true }, max_features = [0.5, 1.0] }
"""
)


def test_a_recipe_can_be_restored_from_its_json_with_the_same_digest():
    recipe = Recipe.from_toml(FULL)
    again = Recipe.from_json(recipe.to_json())

    assert again == recipe
    assert again.sha256 == recipe.sha256
    assert Recipe.from_json(Recipe.from_toml(BASE).to_json()) == Recipe.from_toml(BASE)


@pytest.mark.parametrize("key", [line.partition(" ")[0] for line in FULL.splitlines()[2:13]])
def test_the_digest_covers_every_key_except_data(key):
    document = Recipe.from_toml(FULL).to_json()
    if key == "kind":
        document[key], other = "tree", document[key]
        changed = {**document, key: other}
    else:
        changed = {name: value for name, value in document.items() if name != key}

    assert Recipe.from_json(changed).sha256 != Recipe.from_json(document).sha256
