"""Rows that are pasted, and the files that come back."""

import csv
import io

import pytest

from console.trying.tables import (
    lines_of,
    other_faults,
    problem_words,
    read_table,
    text_of,
)
from registry.errors import BodyMalformed, Fault, InputRefused


@pytest.mark.parametrize("delimiter", ["\t", ";", ","])
def test_tables_of_each_delimiter_are_the_same_body(delimiter: str) -> None:
    text = f'\r\na{delimiter}b\r\n1{delimiter}"x {delimiter} y"\r\n'
    table = read_table(text)
    assert (table.header, table.rows) == (["a", "b"], [["1", f"x {delimiter} y"]])
    assert list(csv.reader(io.StringIO(table.body.decode()))) == [table.header, *table.rows]


def test_what_a_spreadsheet_copies_is_read_back() -> None:
    rows = [["name", "text"], ["a", "two\nlines\tand a tab"], ["b", '"quoted"']]
    table = read_table(text_of(rows))
    assert [table.header, *table.rows] == rows


def test_records_have_the_columns_of_all() -> None:
    table = read_table('[{"a": 1, "b": null}, {"a": 2.5, "c": true}]')
    assert table.header == ["a", "b", "c"]
    assert table.rows == [["1", "", ""], ["2.5", "", "true"]]


@pytest.mark.parametrize("text", ["", "a\tb", '"a', "[1,", "{" * 5000])
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(BodyMalformed):
        read_table(text)


def test_faults_are_at_their_cells_and_the_rest_is_listed() -> None:
    table = read_table("a\tb\n1\t\n3\t4\n")
    faults = [
        Fault("rows[0].b", "expected a number, null is not allowed here"),
        Fault("rows[1]", "expected 2 values"),
        Fault("header.c", "the column is missing"),
    ]
    first, second = lines_of(table, (), faults)
    assert [cell.fault for cell in first.cells] == ["", "a value is required"]
    assert second.fault == "expected 2 values"
    assert other_faults(table, faults) == [faults[2]]
    assert problem_words(InputRefused("bad", faults[:2]), "") == "2 values cannot be used."
    assert problem_words(InputRefused("bad", faults), "") == "bad"


def test_rows_far_down_are_shown_where_they_have_a_fault() -> None:
    table = read_table("a\n" + "1\n" * 500)
    shown = lines_of(table, (), [Fault("rows[450].a", "expected a number")])
    assert [line.number for line in shown] == [*range(1, 101), 451]
