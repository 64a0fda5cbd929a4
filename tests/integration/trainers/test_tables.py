"""Tables as people have them: each column is read as what it is, or refused with a way out.

Nothing is misread: a test names the values that must be learnt from, or the setting in the refusal,
and with that setting the values.
"""

import gzip
import json
import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, ipc

from trainers.arrow_files import read_arrow, read_parquet
from trainers.errors import CellsRefused, ColumnsRefused, DataMalformed, TrainingRefused
from trainers.file_settings import FileSettings
from trainers.preparation import Preparation
from trainers.preparing import prepare
from trainers.recipe import Recipe
from trainers.unpacking import unpacked

ROWS = 60
NAN = float("nan")
TARGET = [row * 2.25 + 0.5 for row in range(ROWS)]


def every(number, odd, cell=str, other="?"):
    """``cell(row + number)`` in every row, but ``other`` in every ``odd``-th."""
    return [other if row % odd == 0 else cell(row + number) for row in range(ROWS)]


def csv(cells, name="x", delimiter=",", target=TARGET):
    """A table of the column ``name`` with ``cells`` and a target, each cell in quotes."""
    lines = [f'"{name}"{delimiter}y']
    lines += [f'"{cell}"{delimiter}"{y}"' for cell, y in zip(cells, target, strict=True)]
    return "\n".join(lines).encode()


def prepared(tmp_path, content, file="t.csv", name="x", type_=None, **settings):
    """The recipe of a table with these settings, made ready: its first column, typed."""
    (tmp_path / file).write_bytes(content)
    columns = {name: Preparation(type=type_)} if type_ else {}
    recipe = Recipe(
        data=str(tmp_path / file),
        kind="forest",
        target="y",
        columns=columns,
        file=FileSettings(**settings),
    )
    return prepare(recipe)


@dataclass
class Right:
    """A column that is read without a setting."""

    cells: list
    type: str
    values: list
    oddity: str = ""
    delimiter: str = ","
    target: list = field(default_factory=lambda: TARGET)


RIGHT = {
    "blanks among numbers": Right(
        every(1, 10, lambda n: f"{n}.5", " "), "number", [NAN, 2.5, 3.5], "6 blank read as missing"
    ),
    "empty cells among numbers": Right(every(1, 10, str, ""), "integer", [NAN, 2.0, 3.0]),
    "NA among numbers": Right(
        every(1, 10, str, "N/A"), "integer", [NAN, 2.0, 3.0], "6 'N/A' read as missing"
    ),
    "percent": Right([f"{row}.1%" for row in range(ROWS)], "number", [0.1, 1.1, 2.1], "% removed"),
    "percent, and zero without": Right(
        every(1, 10, lambda n: f"{n}%", "0"), "number", [0.0, 2.0, 3.0], "% removed"
    ),
    "dollars": Right(
        [f"${row + 1},345" for row in range(ROWS)], "number", [1345.0, 2345.0], "$ removed"
    ),
    "euros behind": Right([f"{row}.50 €" for row in range(ROWS)], "number", [0.5, 1.5]),
    "thousands": Right(
        [f"{row + 1},100" for row in range(ROWS)], "integer", [1100.0, 2100.0], "1,234.5 is 1234.5"
    ),
    "Indian groups": Right(
        [f"{row + 1},23,456" for row in range(ROWS)], "integer", [123456.0, 223456.0]
    ),
    "decimal comma": Right(
        [f"1.{row + 100},5" for row in range(ROWS)],
        "number",
        [1100.5, 1101.5],
        "1.234,5 is 1234.5",
        delimiter=";",
        target=[f"{row},25" for row in range(ROWS)],
    ),
    "decimal comma in quotes": Right(
        [f"{row},75" for row in range(ROWS)],
        "number",
        [0.75, 1.75],
        target=[f"{row},5" for row in range(ROWS)],
    ),
    "decimal comma, no fraction": Right(
        [f"1.{row + 100}" for row in range(ROWS)],
        "integer",
        [1100.0, 1101.0],
        delimiter=";",
        target=[f"{row},25" for row in range(ROWS)],
    ),
    "spaces between groups": Right(
        [f"{row + 1}\u202f000" for row in range(ROWS)], "integer", [1000.0, 2000.0]
    ),
    "apostrophes between groups": Right(
        [f"1\u2019{row + 100}.5" for row in range(ROWS)], "number", [1100.5, 1101.5], "1'234.5 is"
    ),
    "brackets": Right(every(0, 5, str, "(12)"), "integer", [-12.0, 1.0], "(12) is -12"),
    "minus sign": Right([f"\u2212{row}.5" for row in range(ROWS)], "number", [-0.5, -1.5]),
    "leading zeros": Right(
        [f"{row % 7:05}" for row in range(ROWS)], "string", ["00000", "00001"], "leading zeros"
    ),
    "true and false": Right(every(0, 2, lambda n: "True", "FALSE"), "boolean", [0.0, 1.0]),
    "true, false and blanks": Right(every(0, 2, lambda n: "true", " "), "boolean", [NAN, 1.0]),
    "words": Right(
        every(0, 2, lambda n: "Ghent", " Leeds"), "string", [" Leeds", "Ghent"], "space"
    ),
    "a mark among words": Right(
        every(0, 5, lambda n: "abc"[n % 3]), "string", ["?", "b"], "is '?' missing?"
    ),
    "words with numbers": Right(every(0, 2, lambda n: "4WD", "2WD"), "string", ["2WD", "4WD"]),
    "ranges": Right(every(0, 2, lambda n: "20-29", "30-39"), "string", ["30-39", "20-29"]),
    "exponents": Right([f"{row}e-2" for row in range(ROWS)], "number", [0.0, 0.01]),
    "fractions of three digits": Right(
        [f"0.{row + 100}" for row in range(ROWS)],
        "number",
        [0.1, 0.101],
        delimiter=";",
        target=list(range(ROWS)),
    ),
    "decimal commas of three digits": Right(
        [f"0,{row + 100}" for row in range(ROWS)],
        "number",
        [0.1, 0.101],
        "1.234,5 is 1234.5",
        delimiter=";",
        target=list(range(ROWS)),
    ),
    "identifiers beyond floats": Right(
        [str(2**60 + row) for row in range(ROWS)], "integer", [2.0**60], "beyond 2^53: rounded"
    ),
    "identifiers beyond 64 bits": Right(
        [str(10**30 + row) for row in range(ROWS)], "integer", [1e30], "beyond 2^53: rounded"
    ),
    "tabs": Right([str(row) for row in range(ROWS)], "integer", [0.0, 1.0], delimiter="\t"),
}


@pytest.mark.parametrize("case", RIGHT)
def test_a_column_is_read_as_what_it_is(tmp_path, case):
    wanted = RIGHT[case]
    ready = prepared(tmp_path, csv(wanted.cells, "x", wanted.delimiter, wanted.target))
    (column,) = ready.columns

    assert column.type == wanted.type
    for found, expected in zip(column.array.tolist(), wanted.values, strict=False):
        assert found == expected or (math.isnan(expected) and math.isnan(found))
    assert wanted.oddity in "; ".join(ready.inferred[0].oddities)
    assert len(ready.target.values) == ROWS
    assert ready.target.values.mean() == pytest.approx(
        np.mean([float(str(y).replace(",", ".")) for y in wanted.target])
    )


@dataclass
class Refused:
    """A column that is refused with ``said``, and read right with ``settings``."""

    cells: list
    said: str
    settings: dict
    type: str
    values: list
    delimiter: str = ","


CATEGORY = {"type_": "category"}
REFUSED = {
    "question marks": Refused(
        every(50, 10),
        "x: 54 of 60 values are numbers; 6 are '?'. To treat '?' as missing: na_values = ['?']",
        {"na_values": ("?",)},
        "integer",
        [NAN, 51.0],
    ),
    "two marks": Refused(
        ["-", *every(50, 10)[1:]],
        "x: 54 of 60 values are numbers; 5 are '?', 1 is '-'. To treat '?', '-' as missing: "
        "na_values = ['?', '-']",
        {"na_values": ("?", "-")},
        "integer",
        [NAN, 51.0],
    ),
    "a mark in most rows": Refused(
        [str(row) if row % 3 == 0 else "?" for row in range(ROWS)],
        "20 of 60 values are numbers; 40 are '?'",
        {"na_values": ("?",)},
        "integer",
        [0.0, NAN],
    ),
    "a last category": Refused(
        every(0, 4, lambda n: str(n % 3), "3+"),
        "15 are '3+'",
        CATEGORY,
        "string",
        ["3+", "1"],
    ),
    "tickets": Refused(
        every(0, 3, str, "PC 1"), "columns.x.type = 'category'", CATEGORY, "string", ["PC 1", "1"]
    ),
    "percent and shares": Refused(
        every(1, 2, lambda n: f"{n}%", "0.5"), "30 with %, such as", CATEGORY, "string", ["0.5"]
    ),
    "two currencies": Refused(
        every(1, 2, lambda n: f"${n}", "€7"), "30 with $", CATEGORY, "string", ["€7", "$2"]
    ),
    "two decimal signs": Refused(
        every(1, 3, lambda n: f"{n}.5", "7,5"), "20 are '7,5'", CATEGORY, "string", ["7,5", "2.5"]
    ),
    "a unit": Refused(
        [f"{row}.5 kmpl" for row in range(ROWS)],
        "numbers with a unit, such as '0.5 kmpl'",
        {"type_": "number"},
        "number",
        [0.5, 1.5],
    ),
    "stars": Refused(
        [f"{row}*" for row in range(ROWS)],
        "numbers with a unit, such as '0*'",
        {"type_": "number"},
        "number",
        [0.0, 1.0],
    ),
    "codes with an E": Refused(
        [f"1{row % 9}E{row % 4}" for row in range(ROWS)],
        "'10E0', which may be numbers or codes",
        CATEGORY,
        "string",
        ["10E0", "11E1"],
    ),
    "a few padded numbers": Refused(
        ["007", *map(str, range(1, ROWS))],
        "begin with a zero, such as 007",
        {"type_": "integer"},
        "integer",
        [7.0, 1.0],
    ),
    "thousands or fractions": Refused(
        [f"1.{row + 100}" for row in range(ROWS)],
        "'1.100' in the column 'x' is 1.1 or 1100. Give the decimal sign: decimal = ','",
        {"decimal": "."},
        "number",
        [1.1, 1.101],
        delimiter=";",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_column_that_may_be_several_things_is_refused_with_a_way_out(tmp_path, case):
    wanted = REFUSED[case]
    target = list(range(ROWS)) if wanted.delimiter == ";" else TARGET
    content = csv(wanted.cells, "x", wanted.delimiter, target)
    with pytest.raises(TrainingRefused) as refusal:
        prepared(tmp_path, content)
    assert wanted.said in str(refusal.value)

    (column,) = prepared(tmp_path, content, **wanted.settings).columns
    assert column.type == wanted.type
    for found, expected in zip(column.array.tolist(), wanted.values, strict=False):
        assert found == expected or (math.isnan(expected) and math.isnan(found))


def test_all_columns_that_are_refused_are_named_together(tmp_path):
    rows = [f"{'?' if row % 9 == 0 else row},{'-' if row % 8 == 0 else row},{row}" for row in
            range(ROWS)]  # fmt: skip
    with pytest.raises(ColumnsRefused) as refusal:
        prepared(tmp_path, "\n".join(["a,b,y", *rows]).encode())

    assert [one.column for one in refusal.value.refusals] == ["a", "b"]
    assert "To treat '?' as missing" in str(refusal.value)
    assert "To treat '-' as missing" in str(refusal.value)


def test_a_column_that_is_left_out_is_not_read(tmp_path):
    cells = every(50, 10)
    (tmp_path / "t.csv").write_text(
        "x,z,y\n" + "\n".join(f"{cell},{row},{row * 2}" for row, cell in enumerate(cells))
    )
    recipe = Recipe(data=str(tmp_path / "t.csv"), kind="tree", target="y", exclude=("x",))

    assert [column.name for column in prepare(recipe).columns] == ["z"]


def test_a_target_with_odd_cells_is_refused_likewise(tmp_path):
    content = csv(range(ROWS), target=every(50, 10))
    with pytest.raises(CellsRefused, match=r"y: 54 of 60 values are numbers; 6 are '\?'"):
        prepared(tmp_path, content)

    ready = prepared(tmp_path, content, na_values=("?",))
    assert (len(ready.target.values), ready.target.dropped_count) == (54, 6)


def test_a_number_may_mean_a_missing_value(tmp_path):
    ready = prepared(tmp_path, csv(every(1, 6, str, "-999")), na_values=("-999",))

    assert ready.columns[0].missing_count == 10
    assert ready.inferred[0].oddities == ("10 -999 read as missing",)


def test_only_empty_cells_are_missing_if_the_recipe_has_no_others(tmp_path):
    content = csv(every(0, 4, lambda n: ("NA", "DE", "")[n % 3], "FR"))
    assert prepared(tmp_path, content).columns[0].missing_count == 30
    column = prepared(tmp_path, content, na_values=()).columns[0]

    assert set(column.present) == {"NA", "DE", "FR"}
    assert column.missing_count == 15


NUMBERS = list(range(ROWS))
FRAME = pd.DataFrame({"x": [f"{row % 4}a" for row in NUMBERS], "n": NUMBERS, "y": TARGET})
TEXT = FRAME.to_csv(index=False)


def json_lines(frame):
    return "".join(json.dumps(row) + "\n" for row in frame.to_dict("records")).encode()


def arrow(frame, stream):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    with (ipc.new_stream if stream else ipc.new_file)(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def feathered(frame):
    sink = pa.BufferOutputStream()
    feather.write_feather(frame, sink, compression="lz4")
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("t.csv", TEXT.encode("utf-8-sig")),
        ("t.csv", TEXT.encode("utf-16")),
        ("t.csv", TEXT.encode("utf-16-be")),
        ("t.tsv", FRAME.to_csv(index=False, sep="\t").encode()),
        ("t.csv", FRAME.to_csv(index=False, sep="|").encode()),
        ("t.csv.gz", gzip.compress(TEXT.encode())),
        ("t.csv.zst", pa.compress(TEXT.encode(), "zstd", asbytes=True)),
        ("t.jsonl", json_lines(FRAME)),
        ("t.ndjson.gz", gzip.compress(json_lines(FRAME))),
        ("t.feather", feathered(FRAME)),
        ("t.arrow", arrow(FRAME, stream=False)),
        ("t.arrows", arrow(FRAME, stream=True)),
    ],
)
def test_every_form_gives_the_same_columns(tmp_path, file, content):
    ready = prepared(tmp_path, content, file)
    text, number = ready.columns

    assert (text.type, number.type) == ("string", "integer")
    assert text.array.tolist() == FRAME["x"].tolist()
    assert number.array.tolist() == NUMBERS
    assert ready.target.values.tolist() == TARGET


def test_another_encoding_is_given(tmp_path):
    content = csv(every(0, 2, lambda n: "Zürich", "Genève")).decode().encode("latin-1")
    with pytest.raises(TrainingRefused, match="--encoding windows-1252"):
        prepared(tmp_path, content)

    column = prepared(tmp_path, content, encoding="windows-1252").columns[0]
    assert set(column.present) == {"Zürich", "Genève"}


def test_texts_of_a_typed_file_that_are_numbers_need_a_type(tmp_path):
    content = json_lines(FRAME.assign(x=[f"{row}.5" for row in NUMBERS]))
    with pytest.raises(CellsRefused, match=r"all of its 60 different values are numbers"):
        prepared(tmp_path, content, "t.jsonl")

    assert prepared(tmp_path, content, "t.jsonl", type_="number").columns[0].array[1] == 1.5
    few = json_lines(FRAME.assign(x=[str(row % 3) for row in NUMBERS]))
    assert prepared(tmp_path, few, "t.jsonl").columns[0].type == "string"


ZEROS = pd.DataFrame({"x": np.zeros(10_000), "y": np.arange(10_000)})


@pytest.mark.parametrize(
    ("read", "content"),
    [
        (unpacked, gzip.compress(bytes(80_000))),
        (unpacked, pa.compress(bytes(80_000), "zstd", asbytes=True)),
        (read_arrow, feathered(ZEROS)),
        (read_parquet, ZEROS.to_parquet(compression="zstd")),
    ],
)
def test_a_file_is_unpacked_up_to_a_limit(read, content):
    with pytest.raises(DataMalformed, match="t unpacks to more than 70,000 bytes"):
        read(content, "t", limit=70_000)

    read(content, "t", limit=1_000_000)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("t.csv.gz", gzip.compress(TEXT.encode())[:-20], "is compressed with gzip and damaged"),
        ("t.csv.zst", pa.compress(TEXT.encode(), "zstd", asbytes=True)[:-9], "zstd and damaged"),
        ("t.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "in the old form .xls"),
        ("t.jsonl", b'{"x": 1, "y": 2}\n{"x": 1, "y": }\n', "at line 2: "),
        ("t.jsonl", b'{"x": 1, "y": 2}\n{"x": [1], "y": 3}\n', "at line 2: 'x' is a list"),
        ("t.jsonl", b'{"x": 1, "y": 2}\n[1]\n', "at line 2: expected an object"),
        ("t.jsonl", b'{"x": ' + 2_000 * b"[", "at line 1: it is nested too deeply"),
        ("t.feather", b"ARROW1\0\0nothing", "is not an Arrow file"),
        (
            "t.arrow",  # the length of a buffer is less than 0
            arrow(ZEROS, stream=True).replace((80_000).to_bytes(8, "little"), b"\xff" * 8),
            "is not an Arrow file",
        ),
        ("t.csv", b"PK\x03\x04nothing", "is a zip archive"),
        ("t.csv", b"a;b|c\n1;2|3\n4;5|6\n", "by semicolons and bars. Give the delimiter"),
    ],
)
def test_a_damaged_file_is_refused_with_its_place(tmp_path, file, content, said):
    with pytest.raises(DataMalformed, match=said.replace("(", r"\(")):
        prepared(tmp_path, content, file)
