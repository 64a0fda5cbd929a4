"""Dates in the data of a training may be written in many ways; what cannot be read is named."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from registry.dates import parse_date
from trainers.columns import declared_column, type_column
from trainers.errors import ColumnRefused, TargetRefused
from trainers.target import read_target


def seconds(*texts):
    return [np.nan if text is None else parse_date(text) for text in texts]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["2026-01-31", "2024-02-29"], ["2026-01-31", "2024-02-29"]),
        ([" 2026-01-31 ", None], ["2026-01-31", None]),
        (["2026-01-31T12:00:00+02:00", "2026-01-31"], ["2026-01-31T10:00", "2026-01-31"]),
        (["2026-1-5", "2026-12-31"], ["2026-01-05", "2026-12-31"]),
        (["2001/01/14 21:55", "2001/01/15 06:05"], ["2001-01-14T21:55", "2001-01-15T06:05"]),
        (["31.12.2026", "1.1.2027"], ["2026-12-31", "2027-01-01"]),
        (["12/31/2026", "1/2/2027"], ["2026-12-31", "2027-01-02"]),
        (["31/12/2026 5:00", "1/2/2027 6:30"], ["2026-12-31T05:00", "2027-02-01T06:30"]),
        (["1/31/2026 1:05 PM", "2/1/2026 2:00 AM"], ["2026-01-31T13:05", "2026-02-01T02:00"]),
        (["Jan 1 2000", "Feb 29 2000"], ["2000-01-01", "2000-02-29"]),
        (["June 1, 2000", "May 5, 1999"], ["2000-06-01", "1999-05-05"]),
        (["05-Jan-2000", "15-Dec-1999"], ["2000-01-05", "1999-12-15"]),
        (["0001-01-01", "9999-12-31"], ["0001-01-01", "9999-12-31"]),
        ([dt.date(2026, 1, 31), None], ["2026-01-31", None]),
        ([dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)], ["2026-01-31T12:00"]),
        (pd.to_datetime(["2026-01-31", None]), ["2026-01-31", None]),
        (pd.to_datetime(["2026-01-31T12:00"]).tz_localize("Asia/Tokyo"), ["2026-01-31T03:00"]),
        (pd.to_datetime(["2026-01-31T12:00"]).as_unit("ns"), ["2026-01-31T12:00"]),
    ],
    ids=str,
)
def test_dates_are_read_as_seconds(values, expected):
    column = type_column("sold", pd.Series(values))

    assert column.type == "date"
    assert np.array_equal(column.array, seconds(*expected), equal_nan=True)
    assert column.missing.tolist() == [text is None for text in expected]


def test_digits_are_dates_where_they_are_declared():
    series = pd.Series(["20260131", "20240229"], dtype="string")

    assert type_column("sold", series).type == "integer"
    assert declared_column("sold", series, "date").array.tolist() == seconds(
        "2026-01-31", "2024-02-29"
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1/2/2026", "3/4/2026"], "day and month cannot be told apart, such as 1/2/2026"),
        (["2026-01-31", "31/12/2026"], "Write all dates in one form"),
        ([f"2026-01-{day:02}" for day in range(1, 21)] + ["soon"], "dates, and holds 'soon'"),
        (["2026-02-30", "2026-02-28"], "dates, and holds '2026-02-30'. Write"),
        (["31.1.2026", "29.2.2026", "1.2.2026"], "dates, and holds '29.2.2026'. Write"),
        (["2026-01-31T12:00+01:00", "2026-01-31 13:00"], "with a zone, such as 2026-01-31T12:00"),
        (["31/12/25", "1/2/26"], "years have two digits, such as '1/2/26'"),
        (["5-Jan-25 10:00", "31-Dec-24 9:00"], "years have two digits, such as '31-Dec-24 9:00'"),
        (np.array(["20000-01-01", "2026-01-31"], "datetime64[s]"), "9999 in data row 1"),
    ],
)
def test_what_cannot_be_read_is_named(values, message):
    with pytest.raises(ColumnRefused, match=message) as refused:
        type_column("sold", pd.Series(values))

    assert refused.value.is_time


def test_codes_with_three_parts_are_no_dates():
    column = type_column("version", pd.Series(["1.10.12", "40-47-84", "1/2/3"]))

    assert column.type == "string"


def test_the_ends_of_time_may_stand_for_missing_dates():
    column = type_column("left", pd.Series(["2026-01-31", "9999-12-31"]))

    assert column.oddities == ("is '9999-12-31' missing? It is read as a date",)


def test_a_declared_date_that_is_none_is_named():
    with pytest.raises(ColumnRefused, match="is a column of dates, and holds 'a', 'b'"):
        declared_column("sold", pd.Series(["a", "b"]), "date")


def test_a_target_of_dates_is_refused():
    column = type_column("sold", pd.Series(["2026-01-31", "2026-02-01"]))

    with pytest.raises(TargetRefused, match="holds dates, such as 2026-01-31"):
        read_target(column, "forest", None)
