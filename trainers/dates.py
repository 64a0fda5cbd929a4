"""Reads a column of dates from data, which may be written in more ways than requests may."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hotswap.labels import listed
from registry.dates import from_datetimes, parse_date
from trainers.errors import ColumnRefused, literal

DATE_SHARE = 0.9
"""The share of a text column's different values from which on it is one of dates."""
_MONTH = "[A-Za-z]{3,9}"
_TIME = r"([T ]\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( [AaPp][Mm])? ?(Z|[+-]\d{2}:?\d{2})?)?"
_DATE = re.compile(
    rf"\s*(\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{4}}"
    rf"|{_MONTH} \d{{1,2}},? \d{{4}}|\d{{1,2}}[- ]{_MONTH}[- ]\d{{4}}){_TIME}\s*"
)
_DAYS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y"),
    *("%m-%d-%Y", "%b %d %Y", "%b %d, %Y", "%B %d %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y"),
    *("%d-%b-%Y", "%d-%B-%Y", "%Y%m%d"),
)
_TIMES = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
_ZONES = ("", "%z", " %z")
_CLOCKS = [
    "",
    *(f"{before}{time}{zone}" for time in _TIMES for before in (" ", "T") for zone in _ZONES),
]
_FORMATS = [f"{day}{clock}" for day in _DAYS for clock in _CLOCKS]


def are_dates(texts: set[str]) -> bool:
    """Whether nearly all of ``texts`` look like dates, with or without a time."""
    found = sum(_DATE.fullmatch(text) is not None for text in texts)
    return found > 0 and found >= DATE_SHARE * len(texts)


def read_seconds(name: str, series: "pd.Series[Any]") -> NDArray[np.float64]:
    """The seconds since 1970 (`registry.dates`) of datetimes, dates or texts; NaN where missing.

    Raises ColumnRefused for a value that is not a date, and for texts whose day and month cannot be
    told apart.
    """
    if series.dtype.kind == "M":
        moments = series.dt.tz_convert(None) if series.dt.tz is not None else series
        return from_datetimes(moments.to_numpy())
    missing = series.isna().to_numpy(dtype=bool)
    seconds = np.full(len(series), np.nan)
    texts = [_text(value) for value in series[~missing]]
    known = _parsed(name, set(texts))
    seconds[~missing] = [known[text] for text in texts]
    return seconds


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value).strip()


def _parsed(name: str, texts: set[str]) -> dict[str, float]:
    try:
        return {text: parse_date(text) for text in texts}
    except ValueError:
        pass
    ordered = sorted(texts)
    found = list(_in_one_format(ordered))
    if not found:
        odd = [text for text in ordered if _DATE.fullmatch(text) is None] or ordered
        raise ColumnRefused.dates(
            name,
            f"is a column of dates, and holds {listed(odd)}",
            "Write all dates in one form, such as 2026-01-31 or 2026-01-31T12:00:00. To treat "
            f"{literal(odd[0])} as missing: na_values = [{literal(odd[0])}] "
            f"(--na-values {literal(odd[0])}).",
        )
    if any(not np.array_equal(found[0], other) for other in found[1:]):
        raise ColumnRefused.dates(
            name,
            f"holds dates whose day and month cannot be told apart, such as {ordered[0]}",
            "Write them as 2026-01-31.",
        )
    return dict(zip(ordered, found[0].tolist(), strict=True))


def _in_one_format(texts: list[str]) -> Iterator[NDArray[np.float64]]:
    """The seconds of ``texts`` by each format that fits all of them."""
    for form in _FORMATS:
        if not _fits(texts[0], form):
            continue
        try:
            moments = pd.to_datetime(pd.Series(texts), format=form, utc="%z" in form)
        except ValueError:
            continue
        yield read_seconds("", moments)


def _fits(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 - only whether it fits
    except ValueError:
        return False
    return True
