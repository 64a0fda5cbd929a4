"""Reads a column of dates from data, which may be written in more ways than requests may."""

import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hotswap.labels import listed
from registry.dates import from_datetimes, parse_date
from trainers.errors import CellsRefused, ColumnRefused, declaring, literal

DATE_SHARE = 0.9
"""The share of a text column's different values from which on it is one of dates."""
_MONTH = "[A-Za-z]{3,9}"
_ZONE = r"(?P<zone>Z|[+-]\d{2}:?\d{2})?"
_TIME = rf"(?P<time>[T ]\d{{1,2}}:\d{{2}}(:\d{{2}}([.,]\d+)?)?( [AaPp][Mm])? ?{_ZONE})?"
_DATE = re.compile(
    rf"\s*(\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{4}}"
    rf"|{_MONTH} \d{{1,2}},? \d{{4}}|\d{{1,2}}[- ]{_MONTH}[- ]\d{{4}}){_TIME}\s*",
    re.ASCII,
)
_DAYS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y"),
    *("%m-%d-%Y", "%b %d %Y", "%b %d, %Y", "%B %d %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y"),
    *("%d-%b-%Y", "%d-%B-%Y", "%Y%m%d"),
)
_SHORT = re.compile(
    r"\s*(?P<day>\d{1,2}/\d{1,2}/\d{2}|\d{2}-\d{2}-\d{2}|\d{2}\.\d{2}\.\d{2}"
    rf"|{_MONTH} \d{{1,2}}, \d{{2}}|\d{{1,2}}[- ]{_MONTH}[- ]\d{{2}}){_TIME}\s*",
    re.ASCII,
)
_SHORT_DAYS = (
    *("%d/%m/%y", "%m/%d/%y", "%y/%m/%d", "%d-%m-%y", "%m-%d-%y", "%y-%m-%d", "%d.%m.%y"),
    *("%m.%d.%y", "%y.%m.%d", "%b %d, %y", "%B %d, %y", "%d %b %y", "%d %B %y", "%d-%b-%y"),
    "%d-%B-%y",
)
_TRIED = 100
_TIMES = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
_ZONES = ("", "%z", " %z")
_CLOCKS = [
    "",
    *(f"{before}{time}{zone}" for time in _TIMES for before in (" ", "T") for zone in _ZONES),
]
_FORMATS = [f"{day}{clock}" for day in _DAYS for clock in _CLOCKS]


def are_dates(texts: set[str]) -> bool:
    """Whether nearly all of ``texts`` look like dates, with or without a time."""
    return _are_most(texts, _DATE)


def check_years(name: str, texts: set[str]) -> None:
    """Raise CellsRefused where nearly all of ``texts`` look like dates whose years have two digits:
    the century, and often the order of the parts, would be a guess."""
    if not _are_most(texts, _SHORT):
        return
    matches = [_SHORT.fullmatch(text) for text in sorted(texts)[:_TRIED]]
    days = [match["day"] for match in matches if match is not None]
    if any(all(_fits(day, form) for day in days) for form in _SHORT_DAYS):
        raise CellsRefused.dates(
            name,
            f"holds dates whose years have two digits, such as {literal(min(texts))}",
            "Write them as 2026-01-31, exclude the column, or keep it as text: "
            f"{declaring(name, 'category')}.",
        )


def _are_most(texts: set[str], pattern: "re.Pattern[str]") -> bool:
    found = sum(pattern.fullmatch(text) is not None for text in texts)
    return found > 0 and found >= DATE_SHARE * len(texts)


def read_seconds(name: str, series: "pd.Series[Any]") -> NDArray[np.float64]:
    """The seconds since 1970 (`registry.dates`) of datetimes, dates or texts; NaN where missing.

    Raises ColumnRefused for a value that is not a date or not in the years 1 to 9999, for texts
    whose day and month cannot be told apart, and for times of which only some have a zone.
    """
    if series.dtype.kind == "M":
        moments = series.dt.tz_convert(None) if series.dt.tz is not None else series
        seconds = from_datetimes(moments.to_numpy())
        beyond = np.flatnonzero(np.isnan(seconds) & series.notna().to_numpy())
        if len(beyond):
            raise CellsRefused.dates(
                name,
                f"holds a date outside the years 1 to 9999 in data row {beyond[0] + 1}",
                "Replace it by a date, or by a missing value.",
            )
        return seconds
    missing = series.isna().to_numpy(dtype=bool)
    seconds = np.full(len(series), np.nan)
    texts = [_text(value) for value in series[~missing]]
    known = _parsed(name, set(texts))
    seconds[~missing] = [known[text] for text in texts]
    return seconds


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value).strip()


def _parsed(name: str, texts: set[str]) -> dict[str, float]:
    _check_zones(name, texts)
    try:
        return {text: parse_date(text) for text in texts}
    except ValueError:
        pass
    ordered = sorted(texts)
    found = list(_in_one_format(ordered))
    if not found:
        odd = [text for text in ordered if _DATE.fullmatch(text) is None] or _unread(ordered)
        raise CellsRefused.dates(
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


def _check_zones(name: str, texts: set[str]) -> None:
    matches = map(_DATE.fullmatch, texts)
    times = [match for match in matches if match is not None and match["time"]]
    zoned = [match[0] for match in times if match["zone"]]
    if 0 < len(zoned) < len(times):
        local = min(match[0] for match in times if not match["zone"])
        raise CellsRefused.dates(
            name,
            f"holds times with a zone, such as {min(zoned)}, and without, such as {local}",
            "Write all of them with a zone, or all without, which are read as UTC.",
        )


def _unread(texts: list[str]) -> list[str]:
    """Those of ``texts`` that are no dates by the format that reads the most of them."""
    series = pd.Series(texts)
    some = texts[:: max(1, len(texts) // 3)]
    unread = [~series.map(_is_iso).to_numpy(dtype=bool)]
    for form in _FORMATS:
        if any(_fits(text, form) for text in some):
            read = pd.to_datetime(series, format=form, utc="%z" in form, errors="coerce")
            unread.append(read.isna().to_numpy())
    return series[min(unread, key=np.count_nonzero)].tolist()


def _is_iso(text: str) -> bool:
    try:
        parse_date(text)
    except ValueError:
        return False
    return True


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


@cache
def _literals(form: str) -> frozenset[str]:
    """The characters that a text has, in either case, if it is in this format."""
    return frozenset(re.sub("%.| ", "", form))


def _fits(text: str, form: str) -> bool:
    # Python compiles a format each time it has seen a few others: most are excluded without that.
    if not _literals(form) <= set(text.upper()):
        return False
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 - only whether it fits
    except ValueError:
        return False
    return True
