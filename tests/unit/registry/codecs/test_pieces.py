"""Bodies of many rows are decoded in pieces, with the same result as in one call."""

import csv
import gc
import io
import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry.codecs.column_builder import PIECE_BYTES
from registry.codecs.csv_pieces import read_pieces
from registry.codecs.json_body import decode_json
from registry.codecs.json_pieces import JsonPieces
from registry.codecs.json_reader import JsonReader
from registry.codecs.text_body import CsvReader
from registry.errors import RegistryError
from registry.signature import Column, Output, Signature
from tests.factories import MIXED
from tests.marks import each_once, first_fast

NAMES = list(MIXED.names)
TRICKY = [
    "Ghent",
    None,
    "}, {",
    "], [",
    '", "',
    "a,b",
    "é\u2028\U0001f680",
    '\\"',
    "\n",
    "",
    "null",
]
ROWS = [
    [None if row % 7 == 0 else row / 3, row, row % 2 == 0, TRICKY[row % len(TRICKY)]]
    for row in range(5_000)
]
RECORDS = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
PLAIN = [[*row[:3], "Ghent"] for row in ROWS]
FORMS = {
    "records": {"instances": RECORDS},
    "dataframe_records": {"dataframe_records": RECORDS},
    "lists": {"instances": ROWS},
    "X": {"X": ROWS},
    "inputs of lists": {"inputs": ROWS},
    "inputs of columns": {
        "inputs": {name: [row[at] for row in PLAIN] for at, name in enumerate(NAMES)}
    },
    "dataframe_split": {"dataframe_split": {"columns": NAMES, "data": ROWS}},
    "dataframe_split with index": {
        "dataframe_split": {
            "columns": ["id", *NAMES[::-1]],
            "index": list(range(len(ROWS))),
            "data": [[at, *row[::-1]] for at, row in enumerate(ROWS)],
        }
    },
}


def outcome(read):
    """What came of it, as plain values that compare: the rows, or the refusal word for word."""
    try:
        batch = read()
    except RegistryError as error:
        return type(error), error.detail, error.faults
    return batch.rows, {name: repr(array.tolist()) for name, array in batch.columns.items()}


def csv_of(rows, **options):
    out = io.StringIO()
    csv.writer(out, **options).writerows([NAMES, *rows])
    return out.getvalue().encode()


@pytest.mark.parametrize(("form", "ascii_", "indent"), each_once(FORMS, [True, False], [None, 1]))
def test_a_large_json_body_is_read_in_pieces_to_the_same_rows(form, ascii_, indent):
    body = json.dumps(FORMS[form], ensure_ascii=ascii_, indent=indent).encode()
    assert len(body) > 3 * PIECE_BYTES

    in_pieces = JsonPieces(MIXED).read(body)

    assert in_pieces is not None
    assert outcome(lambda: in_pieces) == outcome(lambda: decode_json(body, MIXED))


DATED = Signature((*MIXED.inputs, Column("on", "date", nullable=True)), MIXED.output)
DAYS = ["2026-11-23", None]


@pytest.mark.parametrize("row", [1, 7], ids=["full", "with nulls"])
@pytest.mark.parametrize("form", FORMS)
def test_a_single_row_has_cells_that_are_those_of_its_record(form, row):
    record = {**RECORDS[row], "city": "Ghent" if row == 1 else None, "on": DAYS[row == 7]}
    names, cells = [*NAMES, "on"], list(record.values())
    (key,) = FORMS[form]
    rows = {
        "records": [record],
        "dataframe_records": [record],
        "inputs of columns": {name: [cell] for name, cell in record.items()},
        "dataframe_split": {"columns": names, "data": [cells]},
        "dataframe_split with index": {
            "columns": ["id", *names[::-1]],
            "index": [0],
            "data": [[0, *cells[::-1]]],
        },
    }
    body = json.dumps({key: rows.get(form, [cells])}).encode()

    batch = JsonPieces(DATED).read(body)

    own = JsonReader(DATED).read(json.dumps(record).encode())
    assert repr(batch.cells) == repr(own.cells)
    assert (batch.rows, batch.single) == (1, False)
    assert outcome(lambda: batch) == outcome(lambda: decode_json(body, DATED))


@pytest.mark.parametrize(
    "row", [[1, 1.5, True, "a"], [1, 1, True, 3], [1, 10**300, True, "a"], [1, 1, True]]
)
@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_a_single_row_is_refused_as_many_are(row, key):
    body = json.dumps({key: [row]}).encode()
    assert outcome(lambda: JsonReader(MIXED).read(body)) == outcome(
        lambda: decode_json(body, MIXED)
    )


@pytest.mark.parametrize(
    "surplus",
    [
        pytest.param(["Ghent, Belgium", None, '"'], id="texts"),
        pytest.param([None, -1.5, 10**300], id="numbers"),
        pytest.param([None, True, False], id="booleans"),
        pytest.param([], id="no cells"),
    ],
)
@pytest.mark.parametrize("place", [0, 2, 4], ids=["first", "between", "last"])
def test_unknown_columns_are_skipped_in_pieces(surplus, place):
    columns = list(FORMS["inputs of columns"]["inputs"].items())
    columns.insert(place, ("more", surplus * 2_000))
    body = json.dumps({"inputs": dict(columns)}).encode()

    in_pieces = JsonPieces(MIXED).read(body)

    assert in_pieces is not None
    assert outcome(lambda: in_pieces) == outcome(lambda: decode_json(body, MIXED))


def test_numbers_in_skipped_columns_are_checked_regardless_of_size():
    columns = b'"a": [%b1], "more": [%b]' % (b"1, " * PIECE_BYTES, b"1" * 5000)
    signature = Signature((Column("a", "number"),), Output("y", "number"))

    batch = JsonReader(signature).read(b'{"inputs": {%b}}' % columns)

    assert batch.rows == PIECE_BYTES + 1


@pytest.mark.parametrize("options", [{}, {"quoting": csv.QUOTE_ALL}, {"lineterminator": "\n"}])
def test_a_large_csv_body_is_read_in_pieces_to_the_same_rows(options):
    body = csv_of(ROWS, **options)

    in_pieces = read_pieces(body, MIXED)

    assert in_pieces is not None
    assert outcome(lambda: in_pieces) == outcome(lambda: read_pieces(body, MIXED, len(body)))
    assert in_pieces.columns["age"][1:3].tolist() == [1 / 3, 2 / 3]
    assert in_pieces.columns["city"][2] == "}, {"


@pytest.mark.parametrize(
    ("damage", "at"),
    [
        (lambda body: body.replace(b"4321,", b'"x",', 1), "4321"),
        (lambda body: body[:-2] + b",]}", None),
        (lambda body: body[:-2] + b"]", None),
        (lambda body: body[:-2] + b', [1, 2, true, "\xff"]]}', None),
        (lambda body: body[:-2] + b", [1, 2, true]]}", "5000"),
        (lambda body: body[:-2] + b', {"age": 1}]}', "5000"),
        (lambda body: body[:-1] + b', "X": [[1]]}', None),
    ],
    ids=["cell", "comma", "end", "not UTF-8", "length", "kind", "two keys"],
)
def test_a_fault_at_the_end_of_a_large_json_body_is_located_as_in_a_small_one(damage, at):
    body = damage(json.dumps({"instances": ROWS}, separators=(", ", ": ")).encode())

    found = outcome(lambda: JsonReader(MIXED).read(body))

    assert found == outcome(lambda: decode_json(body, MIXED))
    assert issubclass(found[0], RegistryError)
    assert at is None or at in found[2][0].at


@pytest.mark.parametrize(
    ("line", "at"),
    [("x,1,true,a", "rows[5000].age"), ("1,2", "rows[5000]"), ("1,,true,a", "rows[5000].visits")],
)
def test_a_fault_at_the_end_of_a_large_csv_body_is_located_by_row(line, at):
    found = outcome(lambda: CsvReader(MIXED).read(csv_of(ROWS) + line.encode()))

    assert found[2][0].at == at


def test_a_whole_number_may_be_written_as_a_float_in_pieces():
    rows = [[1.5, float(row), True, "a"] for row in range(5_000)]

    batch = JsonPieces(MIXED).read(json.dumps({"X": rows}).encode())

    assert batch.columns["visits"].tolist() == list(map(float, range(5_000)))


@pytest.mark.parametrize("form", first_fast(["csv", *FORMS], 2))
def test_decoding_a_large_body_triggers_no_garbage_collection(form):
    reader = JsonReader(MIXED)
    body = csv_of(ROWS) if form == "csv" else json.dumps(FORMS[form]).encode()
    read = (lambda: CsvReader(MIXED).read(body)) if form == "csv" else (lambda: reader.read(body))
    read()
    seen = []

    def count(phase, info):
        if phase == "stop":
            seen.append(info["generation"])

    gc.collect()
    gc.callbacks.append(count)
    try:
        read()
    finally:
        gc.callbacks.remove(count)

    # csv makes a list of each row, which is gone with its piece; a full collection never runs.
    assert len(seen) <= (20 if form == "csv" else 1)
    assert 2 not in seen


_cells = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(TRICKY)
    | st.text(max_size=3)
)
_good_rows = st.lists(
    st.tuples(st.none() | st.floats(-9, 9), st.integers(), st.booleans(), _cells.filter(
        lambda cell: cell is None or isinstance(cell, str)
    )).map(list),
    max_size=6,
)  # fmt: skip
_rows = _good_rows | st.lists(st.lists(_cells, min_size=3, max_size=5), max_size=4)


def _as_form(form, rows):
    if form == "records":
        return {"instances": [dict(zip(NAMES, row, strict=False)) for row in rows]}
    if form == "columns":
        columns = {name: [r[at] for r in rows if at < len(r)] for at, name in enumerate(NAMES)}
        return {"inputs": {"more": [cell for row in rows for cell in row], **columns}}
    if form == "split":
        return {"dataframe_split": {"columns": NAMES, "data": rows}}
    return {"instances": rows}


@given(
    rows=_rows,
    form=st.sampled_from(["records", "lists", "columns", "split"]),
    size=st.integers(0, 40),
    ascii_=st.booleans(),
    damage=st.none()
    | st.tuples(st.integers(0, 400), st.sampled_from([b"", b",", b"]", b'"', b" ", b"1", b"\x0c"])),
)
@example(rows=[[1.0, 2, True, "],["]] * 3, form="lists", size=3, ascii_=True, damage=None)
def test_pieces_of_json_of_any_size_read_the_same_rows(rows, form, size, ascii_, damage):
    body = json.dumps(_as_form(form, rows), ensure_ascii=ascii_).encode(errors="surrogatepass")
    if damage is not None:
        at, put = damage
        body = body[:at] + put + body[at + 1 :]

    in_pieces = JsonPieces(MIXED, size).read(body)

    if in_pieces is not None:
        assert outcome(lambda: in_pieces) == outcome(lambda: decode_json(body, MIXED))


@given(
    rows=st.lists(
        st.lists(
            st.sampled_from(["1", "", "true", "x", "1e5", " 2 ", "a\nb", 'a"b', "nan", "_", "٣"]),
            min_size=4,
            max_size=4,
        ),
        max_size=6,
    ),
    size=st.integers(0, 20),
    put=st.sampled_from([b"", b'"', b"\r", b"\n", b",", b"\xff"]),
    at=st.integers(0, 80),
)
def test_pieces_of_csv_of_any_size_read_the_same_rows(rows, size, put, at):
    body = csv_of([["1", "2", "true", "a"], *rows])
    body = body[:at] + put + body[at:]

    in_pieces = read_pieces(body, MIXED, size)

    if in_pieces is not None:
        assert outcome(lambda: in_pieces) == outcome(lambda: cell_by_cell(body))


def cell_by_cell(body):
    """CSV by its definition, a cell at a time."""
    rows = [row for row in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")) if row]
    wanted = [rows[0].index(name) for name in NAMES]
    assert {len(row) for row in rows} == {len(rows[0])}
    batch = JsonReader(MIXED).read(
        json.dumps(
            {
                "instances": [
                    {
                        "age": float(row[wanted[0]]) if row[wanted[0]] else None,
                        "visits": float(row[wanted[1]]),
                        "member": {"true": True, "1": True, "false": False}[
                            row[wanted[2]].strip().lower()
                        ],
                        "city": row[wanted[3]] or None,
                    }
                    for row in rows[1:]
                ]
            }
        ).encode()
    )
    assert np.isfinite(batch.columns["visits"]).all()
    return batch
