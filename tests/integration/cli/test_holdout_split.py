"""``hotswap holdout`` sets a file, or cuts a holdout off a table and writes both parts."""

import json

import pandas as pd
import pytest

from tests.integration.cli.fake_service import Answer, problem
from tests.integration.cli.test_gates import HOLDOUT

PATH = "/models/housing/holdout"
VERSION = {"model": "housing", "version": 3}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "houses.csv"
    rows = pd.DataFrame({"rooms": range(50), "price": [7.5 * rooms + 1 for rooms in range(50)]})
    rows.to_csv(path, index=False)
    return path


def test_both_parts_are_written_and_the_holdout_is_sent(hotswap, service, table):
    trained_on = [{"version": 3, "rows": 1204}, {"version": 1, "rows": None}]
    service.script("PUT", PATH, Answer(201, {**HOLDOUT, "trained_on": trained_on}))

    result = hotswap("holdout", "housing", "--split", str(table), "--target", "price")

    assert result.exit_code == 0, result.output
    held, rest = (table.with_name(f"houses-{part}.csv") for part in ("holdout", "training"))
    assert service.requests[0].body == held.read_bytes()
    assert [len(pd.read_csv(path)) for path in (held, rest)] == [10, 40]
    assert "version 3 was trained on 1,204 of 4,128 rows of this holdout" in result.stdout
    assert "whether version 1 was trained on rows of this holdout is unknown" in result.stdout


def test_a_model_that_does_not_exist_is_created(hotswap, service, table):
    missing = problem(404, "model-not-found", "There is no model 'housing'.")
    service.script("PUT", PATH, Answer(201, HOLDOUT))
    service.script_next("PUT", PATH, missing)
    service.script("POST", "/models", Answer(201, {"name": "housing"}))

    result = hotswap("holdout", "housing", "--split", str(table), "--target", "price")

    assert result.exit_code == 0, result.output
    assert [received.method for received in service.requests] == ["PUT", "POST", "PUT"]
    assert service.requests[1].json == {"name": "housing", "description": ""}


def test_a_model_that_is_created_in_the_meantime_is_used(hotswap, service, table):
    service.script("PUT", PATH, Answer(201, HOLDOUT))
    service.script_next("PUT", PATH, problem(404, "model-not-found", "There is no 'housing'."))
    service.script("POST", "/models", problem(409, "name-taken", "The name is taken."))

    result = hotswap("holdout", "housing", "--split", str(table), "--target", "price")

    assert result.exit_code == 0, result.output


def test_a_refused_holdout_leaves_no_files(hotswap, service, table):
    service.script("PUT", PATH, problem(422, "holdout-refused", "It does not fit."))

    result = hotswap("holdout", "housing", "--split", str(table), "--target", "price")

    assert result.exit_code == 1
    assert [path.name for path in table.parent.iterdir()] == ["houses.csv"]


def test_an_existing_part_is_not_replaced(hotswap, service, table):
    rest = table.with_name("houses-training.csv")
    rest.write_text("mine")

    result = hotswap("holdout", "housing", "--split", str(table), "--target", "price")

    assert (result.exit_code, rest.read_text()) == (2, "mine")
    assert "houses-training.csv exists" in result.stderr
    assert service.requests == []
    assert not table.with_name("houses-holdout.csv").exists()


def test_parts_of_an_interrupted_run_are_used(hotswap, service, table):
    command = ("holdout", "housing", "--split", str(table), "--target", "price")
    service.script("PUT", PATH, Answer(201, HOLDOUT))
    assert hotswap(*command).exit_code == 0
    table.with_name("houses-training.csv").unlink()

    again = hotswap(*command)

    assert again.exit_code == 0, again.output
    assert len({received.body for received in service.requests}) == 1
    service.script("PUT", PATH, problem(422, "holdout-refused", "It does not fit."))
    assert hotswap(*command).exit_code == 1
    assert table.with_name("houses-holdout.csv").exists()  # this run did not write it


def test_options_say_how_the_table_is_written(hotswap, service, tmp_path):
    table = tmp_path / "flats.csv"
    rows = "".join(f"{'?' if row % 5 == 0 else row};Köln;{row},5\n" for row in range(40))
    table.write_text(f"rooms;city;price\n{rows}", encoding="windows-1252")
    service.script("PUT", PATH, Answer(201, HOLDOUT))
    command = ("holdout", "housing", "--target", "price", "--na-values", "?")

    result = hotswap(*command, "--split", str(table), "--encoding", "windows-1252")

    assert result.exit_code == 0, result.output
    held = pd.read_csv(tmp_path / "flats-holdout.csv")
    kept = pd.read_csv(tmp_path / "flats-training.csv", sep=";", encoding="windows-1252")
    assert (held["rooms"].dtype, set(held["city"]), set(kept["city"])) == (
        float,
        {"Köln"},
        {"Köln"},
    )
    assert hotswap(*command).exit_code == 2  # nothing is split


@pytest.mark.parametrize(
    ("lineage", "options", "first", "second"),
    [
        ({}, (), "NA,1,2.5", "?,-,3.5"),  # nobody knows what was missing in training
        ({"recipe": {}}, (), ",1,2.5", "?,-,3.5"),
        ({"recipe": {"na_values": []}}, (), "NA,1,2.5", "?,-,3.5"),
        ({"recipe": {"na_values": ["?", "-"], "decimal": ","}}, (), ",1,2.5", ",,3.5"),
        ({"recipe": {"na_values": []}}, ("--na-values", "-"), ",1,2.5", "?,,3.5"),
        ({}, ("--na-values", "?"), ",1,2.5", ",-,3.5"),
    ],
)
def test_cells_that_were_missing_in_training_are_missing_in_a_holdout(
    request, lineage, options, first, second
):
    hotswap, service, table = map(request.getfixturevalue, ("hotswap", "service", "table"))
    table.write_text("zone,rooms,price\nNA,1,2.5\n?,-,3.5\nnorth,3,4.5\n")
    service.script("GET", "/models/housing/latest", Answer(200, {**VERSION, "lineage": lineage}))
    service.script("PUT", PATH, Answer(201, HOLDOUT))

    result = hotswap("holdout", "housing", str(table), *options)

    assert result.exit_code == 0, result.output
    assert (
        service.requests[-1].body.decode() == f"zone,rooms,price\n{first}\n{second}\nnorth,3,4.5\n"
    )


def test_a_holdout_that_was_split_off_is_sent_as_it_is(hotswap, service, tmp_path):
    table = tmp_path / "flats.csv"
    rows = "".join(f"{row % 7};{row}.{row:03},5\n" for row in range(1, 41))
    table.write_text(f"rooms;price\n{rows}")
    lineage = {"recipe": {"na_values": ["3"], "decimal": ",", "delimiter": ";"}}
    service.script("GET", "/models/housing/latest", Answer(200, {**VERSION, "lineage": lineage}))
    service.script("PUT", PATH, Answer(201, HOLDOUT))
    options = ("--target", "price", "--na-values", "3")
    assert hotswap("holdout", "housing", "--split", str(table), *options).exit_code == 0

    again = hotswap("holdout", "housing", str(tmp_path / "flats-holdout.csv"))

    assert again.exit_code == 0, again.output
    assert service.requests[-1].body == service.requests[0].body


def test_texts_of_a_typed_table_stay_texts(hotswap, service, tmp_path):
    table = tmp_path / "flats.feather"
    pd.DataFrame({"zone": ["1", "2"] * 20, "price": [row / 2 for row in range(40)]}).to_feather(
        table
    )
    service.script("PUT", PATH, Answer(201, HOLDOUT))

    assert hotswap("holdout", "housing", "--split", str(table), "--target", "price").exit_code == 0
    assert set(pd.read_parquet(tmp_path / "flats-training.parquet")["zone"]) == {"1", "2"}


def test_fraction_and_seed_choose_the_rows(hotswap, service, table):
    service.script("PUT", PATH, Answer(201, HOLDOUT))
    command = ("holdout", "housing", "--split", str(table), "--target", "price", "--json")

    shown = json.loads(hotswap(*command, "--fraction", "0.5", "--seed", "4").stdout)

    assert len(pd.read_csv(shown["files"]["holdout"])) == 25


@pytest.mark.parametrize(
    "arguments",
    [
        ("--fraction", "0.2"),
        ("--seed", "1"),
        ("--split", __file__, "--remove"),
        ("--split", __file__, "--target", "y", "--fraction", "1"),
    ],
)
def test_options_that_do_not_fit_each_other_are_refused(hotswap, service, arguments):
    assert hotswap("holdout", "housing", *arguments).exit_code == 2
    assert service.requests == []
