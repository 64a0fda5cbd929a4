"""A CSV file is read unchanged or refused with the position of the fault; nothing is repaired
silently."""

import pytest

from trainers.csv_data import read_csv
from trainers.errors import (
    DataEmpty,
    DataMalformed,
    DuplicateColumns,
    EncodingRefused,
    HeaderRefused,
)


def test_columns_with_missing_values_keep_their_types():
    frame = read_csv(b"whole,real,flag,word\n1,1.0,true,a\n,,,\n3,0.25,False,b\n", "t.csv").frame

    assert [str(kind) for kind in frame.dtypes] == ["Int64", "Float64", "boolean", "string"]
    assert frame["whole"].isna().tolist() == [False, True, False]


def test_numbers_are_read_exactly():
    written = ["0.1", "8.3252", "2.675", "1e-300", "123456789.123456789"]
    frame = read_csv(("x,y\n" + "".join(f"{n},1\n" for n in written)).encode(), "t.csv").frame

    assert frame["x"].tolist() == [float(number) for number in written]


def test_a_byte_order_mark_is_not_part_of_the_first_name():
    frame = read_csv("\ufeffage,größe\n1,2\n3,4\n".encode(), "t.csv").frame

    assert list(frame.columns) == ["age", "größe"]


def test_a_quoted_comma_does_not_separate_cells():
    assert read_csv(b'a,b\n"x, y",1\n', "t.csv").frame["a"].tolist() == ["x, y"]


def test_another_encoding_is_refused_with_the_position():
    with pytest.raises(EncodingRefused) as refusal:
        read_csv("name,n\nAda,1\nZoë,2\n".encode("latin-1"), "people.csv")

    reported = str(refusal.value)
    assert "people.csv is not UTF-8: line 3 holds the byte 0xeb (byte 15 of the file)" in reported
    assert "--encoding windows-1252" in reported


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_recognized_with_and_without_a_byte_order_mark(encoding):
    table = read_csv("a,größe\n1,2\n".encode(encoding), "t.csv")

    assert list(table.frame.columns) == ["a", "größe"]
    assert table.encoding.startswith(encoding[:6])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter):
    text = f'a{delimiter}"b, c; d"{delimiter}e\n1{delimiter}"2,5"{delimiter}"3;4"\n'
    table = read_csv(text.encode(), "t.csv")

    assert table.delimiter == delimiter
    assert list(table.frame.columns) == ["a", "b, c; d", "e"]


def test_only_empty_cells_are_missing_and_others_are_kept_as_they_are_written():
    frame = read_csv(b"a,b\nNA,007\n,8\n", "t.csv").frame

    assert frame["a"].isna().tolist() == [False, True]
    assert frame["b"].tolist() == ["007", "8"]


def test_duplicate_names_are_refused_and_not_renamed():
    with pytest.raises(DuplicateColumns, match="more than one column named 'rooms'"):
        read_csv(b"rooms,age,rooms\n1,2,3\n", "t.csv")


def test_a_column_without_a_name_is_refused():
    with pytest.raises(HeaderRefused, match="gives column 1 no name"):
        read_csv(b",a\n0,1\n", "t.csv")


def test_a_table_without_a_header_is_refused():
    with pytest.raises(HeaderRefused, match="holds only numbers"):
        read_csv(b"1.5,2,3\n4,5,6\n", "t.csv")


@pytest.mark.parametrize(
    ("raw", "reported"),
    [
        (b"a,b\n1,2\n1,2,3\n", "has 3 fields on line 3; its header has 2"),
        (b"a,b\n1,2\n1\n", "has 1 fields on line 3; its header has 2"),
        (b'a,b\n"1,2\n3,4\n', "cannot be read as CSV at line 3"),
    ],
)
def test_ragged_rows_are_refused_with_their_line_number(raw, reported):
    with pytest.raises(DataMalformed, match=reported):
        read_csv(raw, "t.csv")


@pytest.mark.parametrize(
    ("raw", "reported"),
    [
        (b"a\n1\n", "has a single column"),
        (b'[{"a": 1}]', "JSON"),
        (b"<html></html>", "HTML"),
        (b"a,b\n1,\x00\n", "zero byte on line 2"),
    ],
)
def test_text_that_is_not_comma_separated_is_refused(raw, reported):
    with pytest.raises(DataMalformed, match=reported):
        read_csv(raw, "t.csv")


def test_a_file_with_only_a_byte_order_mark_is_empty():
    with pytest.raises(DataEmpty):
        read_csv(b"\xef\xbb\xbf\n", "t.csv")
