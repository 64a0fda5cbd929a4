"""A sample of a table is trained on as a table of its rows would be, and a table that would not fit
in memory is refused."""

import gzip
import hashlib

import numpy as np
import pandas as pd
import pytest

from tests.marks import first_fast
from trainers import memory
from trainers.data import read_dataset
from trainers.errors import (
    ClassTooRare,
    DataMalformed,
    DataNotFound,
    RecipeRefused,
    SampleTooSmall,
    TableTooLarge,
)
from trainers.file_settings import FileSettings
from trainers.recipe import Recipe
from trainers.sampling import SampleRule
from trainers.training import train

ROWS = 400


@pytest.fixture
def visits():
    """Rows with awkward texts, and a class that 2 % have."""
    draws = np.random.default_rng(8)
    return pd.DataFrame(
        {
            "age": draws.integers(18, 90, ROWS),
            "said": draws.choice(['a "b", c', "two\nlines", "Zürich", ""], ROWS),
            "stays": np.where(np.arange(ROWS) % 50 == 0, "no", "yes"),
        }
    )


def arrow_stream(frame, path):
    import pyarrow as pa

    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=70)


WRITERS = {
    "v.csv": lambda frame, path: frame.to_csv(path, index=False),
    "windows.csv": lambda frame, path: frame.to_csv(path, index=False, encoding="windows-1252"),
    "wide.csv": lambda frame, path: frame.to_csv(path, index=False, encoding="utf-16"),
    "v.csv.gz": lambda frame, path: path.write_bytes(
        gzip.compress(frame.to_csv(index=False, sep=";").encode())
    ),
    "v.jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "v.parquet": lambda frame, path: frame.to_parquet(path, index=False, row_group_size=70),
    "v.feather": lambda frame, path: frame.to_feather(path),
    "v.arrows": arrow_stream,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_sample_has_rows_of_the_file_in_their_order(visits, tmp_path, name):
    path = tmp_path / name
    WRITERS[name](visits, path)
    settings = FileSettings(encoding="windows-1252") if name == "windows.csv" else FileSettings()
    whole = read_dataset(str(path), settings)

    read = read_dataset(str(path), settings, sample=SampleRule(100, 3, "stays"))

    assert read.sampled.to_json() == {"rows": 100, "of": ROWS, "stratified": True}
    assert read.frame["stays"].value_counts().to_dict() == {"yes": 98, "no": 2}
    merged = read.frame.merge(whole.frame.reset_index(), how="left")
    assert merged["index"].notna().all()
    assert read.sha256 == whole.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (read.rules, read.columns) == (whole.rules, whole.columns)
    assert read.found.get("encoding") == whole.found.get("encoding")


def test_the_same_rows_are_drawn_from_every_form(visits, tmp_path):
    visits["said"] = visits["said"].replace("", "-")
    drawn = []
    for name in ("v.csv", "v.jsonl", "v.parquet", "v.feather", "v.csv.gz"):
        WRITERS[name](visits, tmp_path / name)
        rule = SampleRule(50, 0, "stays")
        drawn.append(read_dataset(str(tmp_path / name), sample=rule).frame.astype(str))

    assert all(frame.equals(drawn[0]) for frame in drawn)


def test_a_sample_is_in_the_recipe_and_in_the_lineage(shops_csv):
    recipe = Recipe(data=str(shops_csv), target="thrives", kind="tree", sample=40, seed=5)
    model = train(recipe)

    assert model.lineage["sample"] == {"rows": 40, "of": 60, "stratified": True}
    assert model.lineage["data_rows"] == 60
    assert model.lineage["recipe"]["sample"] == 40
    assert model.evaluation["train_rows"] + model.evaluation["rows"] == 40
    again = train(Recipe.from_json({**model.lineage["recipe"], "data": str(shops_csv)}))
    assert again.artifact() == model.artifact()
    whole = train(Recipe(data=str(shops_csv), target="thrives", kind="tree", seed=5))
    assert "sample" not in whole.lineage
    assert whole.lineage["recipe_sha256"] != model.lineage["recipe_sha256"]


def test_a_sample_of_as_many_rows_as_there_are_trains_on_all(shops_csv):
    recipe = {"data": str(shops_csv), "target": "sales", "kind": "tree"}

    assert train(Recipe(**recipe, sample=900)).metrics == train(Recipe(**recipe)).metrics


def test_bundled_sets_are_sampled(tmp_path):
    model = train(Recipe(data="sklearn:iris", kind="tree", sample=60))

    assert model.lineage["sample"] == {"rows": 60, "of": 150, "stratified": True}


def test_too_small_a_sample_is_refused():
    with pytest.raises(RecipeRefused, match="sample must be a number of rows from 4, not 3"):
        Recipe(data="a.csv", target="y", kind="tree", sample=3)


@pytest.mark.parametrize(
    ("target", "kind", "lacking"),
    [
        ("age", "linear", "v.csv has only 4 rows to train on"),
        ("stays", "tree", "The target 'stays' has a single row of the class 'maybe'"),
    ],
)
def test_a_sample_that_cannot_be_trained_on_is_refused_as_such(
    visits, tmp_path, target, kind, lacking
):
    path = tmp_path / "v.csv"
    visits.loc[:130, "stays"] = "maybe"
    visits.to_csv(path, index=False)

    with pytest.raises(SampleTooSmall, match=lacking) as refused:
        train(Recipe(data=str(path), target=target, kind=kind, sample=4))

    assert str(refused.value).startswith("A sample of 4 of 400 rows was drawn. ")
    assert "Or draw a larger sample" in str(refused.value)
    one_class = Recipe(data=str(path), target="said", kind="tree", sample=400)
    visits["said"] = ["once", *["often"] * (ROWS - 1)]
    visits.to_csv(path, index=False)
    with pytest.raises(ClassTooRare):  # more rows would not help
        train(one_class)


def test_rows_beside_the_sample_are_checked(visits, tmp_path):
    path = tmp_path / "v.csv"
    visits["said"] = "fine"
    visits.to_csv(path, index=False)
    path.write_text(path.read_text() + "1,2,3,4\n")

    with pytest.raises(DataMalformed, match="has 4 fields on line 402; its header has 3"):
        read_dataset(str(path), sample=SampleRule(10, 0, "stays"))
    with pytest.raises(DataNotFound, match="the file does not exist"):
        read_dataset(str(tmp_path / "no.csv"), sample=SampleRule(10, 0, "stays"))


@pytest.fixture
def readings_csv(tmp_path):
    """30,000 rows of 8 numbers and a text: 3 MB."""
    draws = np.random.default_rng(1)
    table = pd.DataFrame(draws.normal(size=(30_000, 8)).round(9), columns=list("abcdefgh"))
    table["place"] = draws.choice(["north", "south"], 30_000)
    path = tmp_path / "readings.csv"
    table.to_csv(path, index=False)
    return path


def test_a_table_that_does_not_fit_is_refused_with_the_figure(readings_csv):
    recipe = Recipe(data=str(readings_csv), target="h", kind="linear")
    said = r"Training on (30|29),\d{3} rows of \S+readings.csv takes about \d+\.\d MB of mem"
    with pytest.raises(TableTooLarge, match=said) as refused:
        train(recipe, memory=30_000_000)

    assert "Train on a sample: sample = " in str(refused.value)
    sample = int(str(refused.value).partition("sample = ")[2].split()[0])
    assert 1_000 < sample < 30_000
    smaller = Recipe(data=str(readings_csv), target="h", kind="linear", sample=sample)
    assert train(smaller, memory=30_000_000).lineage["sample"]["of"] == 30_000


@pytest.mark.parametrize(
    "name", first_fast(["r.csv", "r.parquet", "r.csv.gz", "r.jsonl", "r.feather"], 2)
)
def test_rows_are_estimated_from_the_beginning(readings_csv, tmp_path, name):
    frame = pd.read_csv(readings_csv)
    writers = {
        "r.csv": lambda path: frame.to_csv(path, index=False),
        "r.csv.gz": lambda path: frame.to_csv(path, index=False, compression="gzip"),
        "r.jsonl": lambda path: frame.to_json(path, orient="records", lines=True),
        "r.parquet": frame.to_parquet,
        "r.feather": frame.to_feather,
    }
    writers[name](tmp_path / name)

    table = memory.table_of(tmp_path / name, FileSettings())

    assert table.rows == pytest.approx(30_000, rel=0.02)
    assert list(table.head.columns) == list(frame.columns)


def test_the_estimate_has_what_a_training_takes_for_a_few_rows(readings_csv):
    few = Recipe(data=str(readings_csv), target="h", kind="linear", sample=4)

    with pytest.raises(TableTooLarge) as refused:
        train(few, memory=20_000_000)

    assert 24e6 < refused.value.needed < 26e6
    assert str(refused.value).endswith("20.0 MB are available. Allow more with --memory.")


def test_small_files_are_not_estimated(shops_csv):
    assert memory.table_of(shops_csv, FileSettings()) is None
    assert memory.available() > 10**8
    small = Recipe(data=str(shops_csv), target="sales", kind="linear")
    assert train(small, memory=1).metrics == train(small).metrics
