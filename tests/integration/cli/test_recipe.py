"""``hotswap recipe``: writes a first recipe, and checks recipes."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.integration.cli.conftest import Hotswap
from trainers.recipe import Recipe
from trainers.training import train


@pytest.fixture
def shops(tmp_path: Path) -> Path:
    draws = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "id": [f"shop-{row}" for row in range(120)],
            "opened": pd.date_range("2020-01-01", periods=120).astype(str),
            "size (m²)": draws.lognormal(3, 2, 120).round(2),
            "staff": draws.integers(1, 9, 120),
            "late": draws.random(120) < 0.5,
            'city\n"x"': draws.choice(["Ghent", "Leeds", "# Turin"], 120),
            "same": 4,
            "sales": draws.normal(100, 9, 120).round(2),
            "thrives": draws.choice(["yes", "no"], 120),
        }
    )
    frame.loc[:3, "staff"] = np.nan
    frame.to_csv(tmp_path / "shops.csv", index=False)
    return tmp_path / "shops.csv"


@pytest.mark.parametrize(
    ("kind", "target"),
    [("linear", "sales"), ("tree", "sales"), ("forest", "thrives"), ("logistic", "thrives")],
)
def test_a_recipe_from_init_can_be_trained(
    hotswap: Hotswap, shops: Path, tmp_path: Path, kind: str, target: str
) -> None:
    file = tmp_path / "deep.toml"
    result = hotswap(
        *("recipe", "init", str(shops), "--target", target, "--kind", kind, "--out", str(file))
    )
    assert result.exit_code == 0, result.stderr
    recipe = Recipe.from_toml(file)
    assert (recipe.kind, recipe.target, recipe.name) == (kind, target, "shops")
    assert set(recipe.exclude) == {"id", "same"}
    assert train(recipe).signature.names[:2] == ("opened", "size (m²)")
    assert hotswap("recipe", "check", str(file), "--with-data").exit_code == 0


def test_a_recipe_from_init_has_a_comment_for_each_column(hotswap: Hotswap, shops: Path) -> None:
    result = hotswap(
        "recipe", "init", str(shops), "--target", "sales", "--kind", "linear", "--out", "-"
    )
    text = result.stdout
    assert re.search(r"# numbers from \S+ to \S+, mean \S+; skewed\n\"size \(m²\)\" = .*log", text)
    assert re.search(r"# numbers from 1 to 8, mean \S+; 4 missing\nstaff = .*median", text)
    assert re.search(r'# text: .*"# Turin" \(\d+\).*\n"city\\U0000000a\\"x\\"" = ', text)
    assert re.search(r"# dates from 2020-01-01 to 2020-04-29\nopened = .*date", text)
    assert '# by = "time"\n# column = "opened"' in text


@pytest.mark.parametrize("kind", ["linear", "logistic", "tree", "forest"])
def test_commented_lines_of_a_recipe_from_init_can_be_enabled(
    hotswap: Hotswap, shops: Path, kind: str
) -> None:
    target = "thrives" if kind == "logistic" else "sales"
    result = hotswap("recipe", "init", str(shops), "--target", target, "--kind", kind, "--out", "-")
    text = re.sub(
        r"^# (?=gates|\[search|method|folds|params)", "", result.stdout, flags=re.MULTILINE
    )
    recipe = Recipe.from_toml(text)
    assert recipe.search is not None
    assert recipe.gates[1:] == ("data compatible",)


def test_an_existing_recipe_is_not_overwritten(
    hotswap: Hotswap, shops: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("mine")
    arguments = ("recipe", "init", str(shops), "--target", "sales", "--out", str(file))
    result = hotswap(*arguments)
    assert result.exit_code == 2
    assert "exists." in result.stderr
    assert file.read_text() == "mine"
    assert hotswap(*arguments, "--force").exit_code == 0
    assert file.read_text() != "mine"


def test_a_recipe_for_a_bundled_set_needs_no_target(hotswap: Hotswap) -> None:
    result = hotswap("recipe", "init", "sklearn:iris", "--kind", "tree", "--out", "-")
    recipe = Recipe.from_toml(result.stdout)
    assert (recipe.data, recipe.target, recipe.name) == ("sklearn:iris", "target", "iris")


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (("nowhere.csv", "--target", "y"), "Cannot read nowhere.csv"),
        (("{shops}", "--target", "sale"), "no column 'sale'"),
        (("{shops}",), "Missing option '--target'"),
        (("{shops}", "--target", "same"), "'same' is 4 in every row"),
        (("{shops}", "--target", "sales", "--kind", "logistic"), "logistic predicts classes"),
    ],
)
def test_data_that_cannot_be_trained_on_gets_no_recipe(
    hotswap: Hotswap, shops: Path, arguments: tuple[str, ...], reported: str
) -> None:
    given = [argument.format(shops=shops) for argument in arguments]
    result = hotswap("recipe", "init", *given, "--out", "-")
    assert result.exit_code == 2
    assert reported in result.stderr
    assert result.stdout == ""


def test_check_reports_every_mistake_with_its_line(hotswap: Hotswap, tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text(
        'data = "d.csv"\ntarget = "y"\nkind = "tree"\nseed = "x"\n[params]\ndepth = 1\n'
    )
    result = hotswap("recipe", "check", str(file))
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert lines[0].endswith("r.toml cannot be used: 2 mistakes.")
    assert lines[1] == "  line 4: seed must be a whole number"
    assert lines[2].startswith("  line 6: tree has no parameter 'depth'.")


def test_check_reads_the_data_only_on_request(
    hotswap: Hotswap, shops: Path, tmp_path: Path
) -> None:
    file = tmp_path / "r.toml"
    file.write_text('data = "shops.csv"\ntarget = "sales"\nkind = "tree"\nexclude = [\n "cty"]\n')
    assert hotswap("recipe", "check", str(file)).exit_code == 0
    result = hotswap("recipe", "check", str(file), "--with-data")
    assert result.exit_code == 2
    assert "line 5: The data has no column 'cty', named as excluded." in result.stderr


def test_check_prints_the_recipe_as_json(hotswap: Hotswap, shops: Path, tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text('data = "shops.csv"\ntarget = "sales"\nkind = "tree"\n')
    report = json.loads(hotswap("recipe", "check", str(file), "--json").stdout)
    assert report["recipe"]["kind"] == "tree"
    assert report["recipe_sha256"] == Recipe.from_toml(file).sha256
