"""The commands read awkward tables: they print and keep what they found, and never guess."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.conftest import Hotswap
from trainers.recipe import Recipe
from trainers.training import train

ROWS = 80


@pytest.fixture
def cars(tmp_path: Path) -> Path:
    """Semicolons, decimal commas, a mark for missing values, and names with unusual signs."""
    lines = ['" power";"size, ""inner""";a=b.c;code;price']
    for row in range(ROWS):
        power = "?" if row % 20 == 0 else f"{50 + row},5"
        lines.append(f"{power};{row % 5}%;1.{100 + row % 9};{row % 3:03};{row * 3},25")
    file = tmp_path / "cars.csv"
    file.write_text("\n".join(lines), encoding="utf-16")
    return file


def trained(hotswap: Hotswap, cars: Path, *more: str) -> dict[str, Any]:
    out = str(cars.parent / "out")
    result = hotswap(
        *("train", str(cars), "--target", "price", "--kind", "tree", "--out", out, "--json", *more)
    )
    assert result.exit_code == 0, result.stderr
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def test_odd_cells_stop_the_training_with_the_setting(hotswap: Hotswap, cars: Path) -> None:
    result = hotswap("train", str(cars), "--target", "price", "--kind", "tree", "--out", "never")

    assert result.exit_code == 2
    assert (
        " power: 76 of 80 values are numbers; 4 are '?'. To treat '?' as missing: "
        "na_values = ['?'] (--na-values '?')." in " ".join(result.stderr.split("\n"))
    )
    assert not Path("never").exists()


def test_what_was_found_is_printed_and_kept(hotswap: Hotswap, cars: Path) -> None:
    report = trained(hotswap, cars, "--na-values", "?")
    metadata = json.loads((cars.parent / "out" / "metadata.json").read_text())

    assert report["file"] == metadata["evaluation"]["file"]
    assert report["file"] == {
        "encoding": "utf-16-le",
        "delimiter": ";",
        "decimal": ",",
        "thousands": ".",
    }
    columns = {column["name"]: column for column in report["columns"]}
    types = {name: column["type"] for name, column in columns.items()}
    assert types == {
        " power": "number",
        'size, "inner"': "number",
        "a=b.c": "integer",
        "code": "category",
        "price": "number",
    }
    assert columns[" power"]["missing"] == 4
    assert "4 '?' read as missing" in columns[" power"]["oddities"]
    for name, kept in metadata["evaluation"]["columns"].items():
        assert kept["treatment"] == columns[name]["treatment"]
        assert kept.get("oddities", []) == columns[name]["oddities"]


def test_options_name_any_column(hotswap: Hotswap, cars: Path) -> None:
    report = trained(
        hotswap,
        cars,
        *("--exclude", " power", "--exclude", '"size, ""inner""",code'),
        *("--prepare", "a=b.c.type=category"),
    )

    assert [(column["name"], column["type"]) for column in report["columns"]] == [
        ("a=b.c", "category"),
        ("price", "number"),
    ]


def test_a_wrong_option_of_a_first_recipe_is_named(hotswap: Hotswap, cars: Path) -> None:
    result = hotswap("recipe", "init", str(cars), "--target", "price", "--encoding", "klingon")

    assert result.exit_code == 2
    assert "--encoding: encoding 'klingon' is not a known text encoding." in result.stderr


def test_a_first_recipe_has_what_was_found_and_trains(hotswap: Hotswap, cars: Path) -> None:
    file = cars.parent / "cars.toml"
    arguments = ("recipe", "init", str(cars), "--target", "price", "--out", str(file))
    refused = hotswap(*arguments)
    assert refused.exit_code == 2
    assert "4 are '?'" in refused.stderr
    assert not file.exists()

    result = hotswap(*arguments, "--na-values", "?")
    assert result.exit_code == 0, result.stderr
    recipe = Recipe.from_toml(file)
    assert recipe.file.to_json() == {
        "na_values": ["?"],
        "thousands": ".",
        "decimal": ",",
        "delimiter": ";",
        "encoding": "utf-16-le",
    }
    assert {name: how.type for name, how in recipe.columns.items()} == {
        " power": "number",
        'size, "inner"': "number",
        "a=b.c": "integer",
        "code": "category",
    }
    again = Recipe.from_json(train(recipe).lineage["recipe"] | {"data": str(cars)})
    assert again.sha256 == recipe.sha256
