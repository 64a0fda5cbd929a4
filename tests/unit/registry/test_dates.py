"""Dates: ISO 8601 text, Arrow and datetime64 give the same seconds, from the year 1 to 9999."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.dates import (
    FIRST,
    LAST,
    calendar,
    format_date,
    from_datetimes,
    from_ticks,
    parse_date,
    to_datetimes,
)

MOMENTS = st.datetimes()
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-01", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
        ("0001-01-01", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59", datetime(9999, 12, 31, 23, 59, tzinfo=UTC)),
        ("2026-01-31 12:00:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00+02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("2026-01-31T00:30:00.5-0530", datetime(2026, 1, 31, 6, 0, 0, 500_000, UTC)),
        ("1969-12-31T23:59:59.999999", datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)),
        ("2026-01-31T12:00:00.123456789", datetime(2026, 1, 31, 12, 0, 0, 123_456, UTC)),
    ],
)
def test_a_date_is_read_as_seconds_in_utc(text, moment):
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)

    assert parse_date(text) == pytest.approx(since.total_seconds(), abs=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "NaT", "2026", "2026-01", "20260131", "2026-W05-6", "2026-031"),
        *("2026-02-29", "2025-13-01", "0000-01-01", "10000-01-01", "-001-01-01", "1/2/2026"),
        *("2026-01-31T24:00", "2026-01-31T12", "2026-01-31T12:00:60", "2026-01-31Z"),
        *(
            " 2026-01-31",
            "2026-01-31\n",
            "\u0662\u0660\u0662\u0666-01-31",
            "2026-01-31T12:00+25:00",
        ),
        *("0001-01-01T00:00+01:00", "9999-12-31T23:59-01:00", "2026-01-31" * 10_000),
    ],
)
def test_other_texts_are_no_dates(text):
    with pytest.raises(ValueError, match=r".*"):
        parse_date(text)


@given(MOMENTS, ZONES)
def test_every_way_to_read_a_moment_gives_the_same_double(moment, zone):
    seconds = parse_date(moment.isoformat())

    assert from_datetimes(np.array([moment], "datetime64[us]"))[0] == seconds
    assert from_datetimes(to_datetimes(np.array([seconds])))[0] == seconds
    assert parse_date(format_date(seconds)) == seconds
    shifted = moment.replace(tzinfo=UTC).astimezone(zone) if 1 < moment.year < 9999 else None
    if shifted is not None:
        assert parse_date(shifted.isoformat()) == seconds


@given(st.integers(-(2**63), 2**63 - 1))
def test_nanoseconds_are_cut_to_microseconds(ticks):
    expected = from_ticks(np.array([ticks // 1000]), "us")

    assert from_ticks(np.array([ticks]), "ns") == expected


@given(MOMENTS)
def test_the_parts_of_a_date_are_those_of_the_calendar(moment):
    seconds = np.array([parse_date(moment.isoformat())])
    exact = datetime(1970, 1, 1) + timedelta(seconds=int(seconds[0] // 1))  # noqa: DTZ001

    assert [calendar(seconds, part)[0] for part in ("year", "month", "weekday", "hour")] == [
        exact.year,
        exact.month,
        exact.weekday(),
        exact.hour,
    ]


def test_a_missing_date_stays_missing():
    missing = np.array([np.nan, 0.0])

    assert np.isnat(to_datetimes(missing)).tolist() == [True, False]
    assert np.isnan(from_datetimes(to_datetimes(missing))).tolist() == [True, False]
    assert np.isnan(calendar(missing, "year")).tolist() == [True, False]


@pytest.mark.parametrize("seconds", [FIRST - 1, LAST + 1, 1e300, -1e300, np.inf])
def test_a_number_beyond_the_calendar_has_no_parts(seconds):
    assert np.isnan(calendar(np.array([seconds]), "month")).all()


def test_units_of_datetime64_are_read():
    for unit in ("D", "h", "m", "s", "ms", "us", "ns", "25s"):
        assert from_datetimes(np.array(["1970-01-01", "NaT"], f"datetime64[{unit}]"))[0] == 0.0
    beyond = from_datetimes(np.array([20_000], "datetime64[Y]"))
    assert np.isnan(beyond).all()
