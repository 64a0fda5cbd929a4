"""Replies as CSV."""

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.codecs.csv_reply import Rows, sent_rows, write_csv
from registry.codecs.json_body import decode_json
from registry.codecs.predictions import Predictions
from registry.codecs.requests import JSON
from registry.codecs.text_body import CsvReader, cell_text
from registry.errors import InputRefused
from registry.signature import Output, Signature
from tests.factories import MIXED, NUMBERS

SHARES = np.array([[0.25, 0.75], [1 / 3, 2 / 3]])


def written(predictions, signature=NUMBERS, inputs=None, **options):
    content = b"".join(write_csv(predictions, signature, inputs, **options)).decode()
    return list(csv.reader(io.StringIO(content, newline=""), strict=True))


def test_lines_end_and_cells_are_quoted_as_rfc_4180_says():
    texts = ["plain", "a,b", 'say "a"', "two\nlines", "\rx", " a ", "", "é"]
    content = b"".join(write_csv(Predictions(texts), MIXED))
    assert content.decode() == (
        'prediction\r\nplain\r\n"a,b"\r\n"say ""a"""\r\n"two\nlines"\r\n"\rx"\r\n a \r\n""\r\né\r\n'
    )


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_keep_all_their_digits(values):
    header, *rows = written(Predictions(values))
    assert header == ["prediction"]
    assert [float(cell) for (cell,) in rows] == values


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1))
def test_labels_are_read_back_unchanged(labels):
    assert [cell for (cell,) in written(Predictions(labels), MIXED)[1:]] == labels


@pytest.mark.parametrize(
    ("value", "cell"),
    [(True, "true"), (False, "false"), (3, "3"), (-0.5, "-0.5"), ([1.5, 2], "[1.5,2]")],
)
def test_values_are_as_in_json(value, cell):
    assert written(Predictions([value]))[1:] == [[cell]]
    assert json.loads(cell) == value


def test_a_list_of_labels_is_json():
    ((cell,),) = written(Predictions([["=a", 'b"']]))[1:]
    assert json.loads(cell) == ["=a", 'b"']


def test_probabilities_have_a_column_for_each_class_and_scores_one():
    assert written(Predictions([True, False], SHARES), MIXED) == [
        ["prediction", "probability_false", "probability_true"],
        ["true", "0.25", "0.75"],
        ["false", repr(1 / 3), repr(2 / 3)],
    ]
    scored = Predictions([1, -1], scores=np.array([0.125, -1 / 3]))
    assert written(scored) == [["prediction", "score"], ["1", "0.125"], ["-1", repr(-1 / 3)]]


def test_rows_stand_before_the_answers_whose_names_are_free():
    named = Signature(MIXED.inputs, Output("y", "string", ("a", "b")))
    inputs = Rows(["prediction", "probability_a", "x"], [["old", "", "1"], ["", "=2", "é"]])
    assert written(Predictions(["a", "b"], SHARES), named, inputs) == [
        ["prediction", "probability_a", "x", "prediction_2", "probability_a_2", "probability_b"],
        ["old", "", "1", "a", "0.25", "0.75"],
        ["", "=2", "é", "b", repr(1 / 3), repr(2 / 3)],
    ]


def test_labels_are_changed_only_for_spreadsheets():
    assert written(Predictions(["=1+1"]), MIXED)[1:] == [["=1+1"]]
    quoted = written(Predictions(["=1+1", -0.5]), MIXED, text=lambda label: f"'{label}")
    assert quoted[1:] == [["'=1+1"], ["-0.5"]]


def test_many_rows_are_written_in_pieces():
    inputs = Rows(["x"], ([str(index)] for index in range(2500)))
    pieces = list(write_csv(Predictions(list(range(2500))), NUMBERS, inputs))
    assert len(pieces) == 4
    assert list(csv.reader(io.StringIO(b"".join(pieces).decode())))[2500] == ["2499", "2499"]


def test_all_columns_of_csv_are_kept_as_they_were_sent():
    body = b"\xef\xbb\xbfid,age,visits,member,city\r\n"
    body += b'007,31.50,4,TRUE,"Gh,ent"\r\n\r\n8,,4e0,0,\r\n'
    rows = sent_rows("Text/CSV; charset=utf-8", body, CsvReader(MIXED).read(body), MIXED)
    assert list(rows.header) == ["id", "age", "visits", "member", "city"]
    assert list(rows.rows) == [["007", "31.50", "4", "TRUE", "Gh,ent"], ["8", "", "4e0", "0", ""]]


def test_the_columns_of_the_signature_are_kept_of_other_bodies():
    records = [
        {"age": 31.5, "visits": 4, "member": True, "city": "Ghent", "id": 7},
        {"age": None, "visits": -2, "member": False, "city": None},
    ]
    body = json.dumps({"instances": records}).encode()
    rows = sent_rows(JSON, body, decode_json(body, MIXED), MIXED)
    assert list(rows.header) == ["age", "visits", "member", "city"]
    assert list(rows.rows) == [["31.5", "4", "true", "Ghent"], ["", "-2", "false", ""]]


@given(
    st.none() | st.floats(allow_nan=False, allow_infinity=False).map(lambda age: age + 0.0),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.booleans(),
    st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
)
def test_written_rows_are_decoded_to_the_same_values(age, visits, member, city):
    record = {"age": age, "visits": visits, "member": member, "city": city}
    body = json.dumps({"instances": [record]}).encode()
    batch = decode_json(body, MIXED)

    content = b"".join(write_csv(Predictions([1]), MIXED, sent_rows(JSON, body, batch, MIXED)))

    again = CsvReader(MIXED).read(content)
    for name in MIXED.names:
        assert str(again.columns[name][0]) == str(batch.columns[name][0])


def test_numbers_are_written_with_all_their_digits():
    assert cell_text(0.1 + 0.2) == "0.30000000000000004"
    assert cell_text(1e300) == "1e+300"


def test_a_file_of_more_bytes_than_allowed_is_refused_before_it_is_whole():
    inputs = Rows(["t"], (["x" * 100] for _ in range(5000)))
    pieces = write_csv(Predictions([1] * 5000), NUMBERS, inputs, most=250_000)
    assert len(next(pieces) + next(pieces) + next(pieces)) < 250_000
    with pytest.raises(InputRefused, match="more than 250,000 bytes as CSV"):
        next(pieces)
