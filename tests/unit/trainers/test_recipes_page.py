"""docs/recipes.md names every key that a recipe takes, and no other, and its example is one."""

import re
from pathlib import Path

import pytest

from hotswap.metrics.names import METRICS
from trainers.errors import RecipeRefused
from trainers.recipe import Recipe

PAGE = (Path(__file__).parents[3] / "docs" / "recipes.md").read_text(encoding="utf-8")
DOCUMENTED = set(re.findall(r"^\| `([a-z_.A-Z]+)` \|", PAGE, re.MULTILINE))
BASE = "data = 'a.csv'\ntarget = 'y'\nkind = 'tree'\n"


def known_keys(line, key):
    """The keys that a table takes, as the refusal of a wrong one lists them."""
    with pytest.raises(RecipeRefused) as refusal:
        Recipe.from_toml(f"{BASE}{line}")
    (reported,) = [said for said in refusal.value.mistakes if f"{key} is not a known key" in said]
    return set(re.findall(r"'(\w+)'", reported.partition("known are")[2]))


@pytest.mark.parametrize(
    ("line", "wrong", "prefix"),
    [
        ("wrong = 1", "wrong", ""),
        ("columns.a.wrong = 1", "columns.a.wrong", "columns.NAME."),
        ("split.wrong = 1", "split.wrong", "split."),
        ("promotion.wrong = 1", "promotion.wrong", "promotion."),
        ("[search]\nmethod = 'grid'\nwrong = 1", "search.wrong", "search."),
        (
            "[search]\nmethod = 'random'\nparams.max_depth = { low = 1, high = 2, wrong = 3 }",
            "search.params.max_depth.wrong",
            "search.params.NAME.",
        ),
    ],
)
def test_every_key_of_a_table_is_on_the_page_and_no_other(line, wrong, prefix):
    nested = re.compile(re.escape(prefix) + r"[a-z_]+")
    on_page = {key.removeprefix(prefix) for key in DOCUMENTED if nested.fullmatch(key)}

    assert on_page == known_keys(line, wrong)


def test_the_example_is_a_recipe():
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    recipe = Recipe.from_toml(example)

    assert recipe.search.candidates == 30
    assert recipe.split.column == "block"


def test_every_metric_is_named():
    assert all(f"`{name}`" in PAGE for names in METRICS.values() for name in names)


@pytest.mark.parametrize(
    ("key", "shown"),
    [("test_size", "0.2"), ("seed", "0"), ("search.folds", "5"), ("search.draws", "20")],
)
def test_the_defaults_are_those_of_the_code(key, shown):
    recipe = Recipe.from_toml(
        f"{BASE}[search]\nmethod = 'random'\nparams.max_depth = {{ low = 1, high = 99 }}"
    )
    *table, name = key.split(".")
    value = getattr(recipe.search if table else recipe, name)

    assert str(value) == shown
    assert re.search(rf"^\| `{key}` \| `{shown}` \|", PAGE, re.MULTILINE)
