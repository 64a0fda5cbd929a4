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
    frame = read_csv(b"whole,real,flag,word\n1,1.0,true,a\n,,,\n3,0.25,False,b\n", "t.csv")

    assert [str(kind) for kind in frame.dtypes] == ["Int64", "Float64", "boolean", "string"]
    assert frame["whole"].isna().tolist() == [False, True, False]


def test_numbers_are_read_exactly():
    written = ["0.1", "8.3252", "2.675", "1e-300", "123456789.123456789"]
    frame = read_csv(("x,y\n" + "".join(f"{n},1\n" for n in written)).encode(), "t.csv")

    assert frame["x"].tolist() == [float(number) for number in written]


def test_a_byte_order_mark_is_not_part_of_the_first_name():
    frame = read_csv("\ufeffage,größe\n1,2\n3,4\n".encode(), "t.csv")

    assert list(frame.columns) == ["age", "größe"]


def test_a_quoted_comma_does_not_separate_cells():
    assert read_csv(b'a,b\n"x, y",1\n', "t.csv")["a"].tolist() == ["x, y"]


def test_another_encoding_is_refused_with_the_position():
    with pytest.raises(EncodingRefused) as refusal:
        read_csv("name,n\nAda,1\nZoë,2\n".encode("latin-1"), "people.csv")

    reported = str(refusal.value)
    assert "people.csv is not UTF-8: line 3 holds the byte 0xeb (byte 15 of the file)" in reported
    assert "Save it as UTF-8" in reported


def test_utf_16_is_refused_as_an_encoding():
    with pytest.raises(EncodingRefused, match="line 1 holds the byte 0xff"):
        read_csv("a,b\n1,2\n".encode("utf-16"), "t.csv")


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
        (b"a;b\n1;2\n", "by semicolons"),
        (b"a\tb\n1\t2\n", "by tabs"),
        (b"a\n1\n", "has a single column"),
        (b"PK\x03\x04\x00", "Excel"),
        (b"PAR1\x00", "Give it the ending .parquet"),
        (b"\x1f\x8b\x08", "gzip"),
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
