"""Dates as numbers: seconds since 1970-01-01T00:00:00 UTC, doubles, NaN where missing.

Requests have ISO 8601 text. A time without a zone is read as UTC, a date as its midnight. The years
are 1 to 9999 and the resolution is a microsecond (coarser after the year 2242, where a double has
fewer digits); finer digits are cut off. All ways to read a date give the same double: the whole
seconds plus the microseconds divided by 1e6.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

CalendarPart = Literal["year", "month", "weekday", "hour"]

FIRST, LAST = -62_135_596_800.0, 253_402_300_799.999999
"""The first moment of the year 1 and the last of the year 9999."""
EXPECTED = "a date, such as 2026-01-31 or 2026-01-31T12:00:00Z"

_DAY = 86_400
_EPOCH, _NAIVE_EPOCH = datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1)  # noqa: DTZ001
_TEXT = re.compile(
    r"\d{4}-\d\d-\d\d([T ]([01]\d|2[0-3]):\d\d(:\d\d([.,]\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)


def parse_date(text: str) -> float:
    """The seconds of ``text``: a date, or a date and a time with or without a zone.

    Raises ValueError.
    """
    # Python's own grammar is wider, and differs between its versions.
    if _TEXT.fullmatch(text) is None:
        raise ValueError("not a date")
    moment = datetime.fromisoformat(text)
    since = moment - (_NAIVE_EPOCH if moment.tzinfo is None else _EPOCH)
    seconds = since.days * _DAY + since.seconds + since.microseconds / 1e6
    if not FIRST <= seconds <= LAST:  # only with a zone
        raise ValueError("not in the years 1 to 9999")
    return seconds


def format_date(seconds: float) -> str:
    """A text that ``parse_date`` reads: a date, with the time if it is not midnight."""
    whole = int(seconds // 1)
    moment = _NAIVE_EPOCH + timedelta(
        seconds=whole, microseconds=min(round((seconds - whole) * 1e6), 999_999)
    )
    text = moment.isoformat()
    return text.removesuffix("T00:00:00")


def from_datetimes(moments: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """The seconds of ``moments``, of any unit; NaN for NaT, and outside the years 1 to 9999."""
    unit, count = np.datetime_data(moments.dtype)
    if unit in {"Y", "M", "W", "D", "h", "m"}:
        moments, unit, count = moments.astype("datetime64[s]"), "s", 1
    ticks = moments.astype(np.int64)
    seconds = from_ticks(ticks * count, unit)
    seconds[np.isnat(moments)] = np.nan
    seconds[(seconds < FIRST) | (seconds > LAST)] = np.nan
    return seconds


def from_ticks(ticks: NDArray[np.int64], unit: str) -> NDArray[np.float64]:
    """The seconds of ``ticks``, counts of ``unit`` (s, ms, us or ns) since 1970."""
    each = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    whole, rest = np.divmod(ticks, each)
    microseconds = rest * 10**6 // each
    seconds: NDArray[np.float64] = whole + microseconds / 1e6
    return seconds


def to_datetimes(seconds: NDArray[np.float64]) -> NDArray[np.datetime64]:
    """The moments as ``datetime64[us]``, NaT for NaN. ``from_datetimes`` gives the same seconds
    back if they were read from text, Arrow or ``datetime64``."""
    missing = np.isnan(seconds)
    known = np.where(missing, 0.0, seconds)
    whole = np.floor(known)
    ticks = whole.astype(np.int64) * 10**6 + np.rint((known - whole) * 1e6).astype(np.int64)
    moments: NDArray[Any] = ticks.view("datetime64[us]")
    moments[missing] = np.datetime64("NaT")
    return moments


def calendar(seconds: NDArray[np.float64], part: CalendarPart) -> NDArray[np.float64]:
    """A part of each date in UTC: the year, the month from 1, the weekday from 0 for Monday, or the
    hour. NaN for NaN and outside the years 1 to 9999."""
    valid = (seconds >= FIRST) & (seconds <= LAST)
    known = np.where(valid, seconds, 0.0)
    days = np.floor(known / _DAY)
    if part == "hour":
        found = np.floor((known - days * _DAY) / 3600)
    elif part == "weekday":
        found = np.mod(days + 3, 7)  # 1970-01-01 was a Thursday
    else:
        months = days.astype(np.int64).view("datetime64[D]").astype("datetime64[M]")
        years, month = np.divmod(months.astype(np.int64), 12)
        found = years + 1970 if part == "year" else month + 1
    return np.where(valid, found, np.nan)
