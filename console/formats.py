"""Figures, times and names as people read them. Pure functions; templates use them as filters."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
_METRICS = {
    "rmse": "RMSE",
    "mae": "MAE",
    "mse": "MSE",
    "r2": "R²",
    "median_absolute_error": "median absolute error",
    "f1_macro": "F1, macro",
    "precision_macro": "precision, macro",
    "recall_macro": "recall, macro",
    "log_loss": "log loss",
    "roc_auc": "ROC AUC",
}
_FORMULA = (*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20")
"""Also in full width, as OWASP's page on CSV injection has them."""
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def number(value: float) -> str:
    """``value`` with thousands separated: whole from 1,000 on, three significant digits below 1."""
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    if size == 0 or (isinstance(value, int) and size < 1e15):
        text = f"{size:,}" if isinstance(value, int) else "0"
    elif size >= 1e15 or size < 1e-4:
        mantissa, _, exponent = f"{size:.2e}".partition("e")
        text = f"{mantissa}e{int(exponent)}".replace("-", MINUS)
    elif size >= 1e9:
        text = f"{size / 1e6:,.0f} M"
    elif size >= 1000:
        text = f"{size:,.0f}"
    else:
        text = f"{size:.4g}" if size >= 1 else f"{size:.3g}"
    return f"{MINUS}{text}" if value < 0 else text


def signed_percent(share: float) -> str:
    """A relative difference: 0.248 is ``+24.8 %``."""
    digits = 0 if abs(share) >= 10 else 1
    text = f"{abs(share) * 100:,.{digits}f}"
    sign = "" if not text.strip("0.") else (MINUS if share < 0 else "+")
    return f"{sign}{text} %"


def percent(share: float) -> str:
    """A part of a whole: 0.822 is ``82.2 %``."""
    text = f"{share * 100:.1f}".removesuffix(".0")
    return f"{text} %"


def rate(per_minute: float) -> str:
    """Three digits at most, and below 0.01 that it is less."""
    return "<0.01" if per_minute < 0.01 else number(float(f"{per_minute:.3g}"))


def share(part: float | None) -> str:
    """0.005 is ``0.5 %``; a dash for None."""
    return DASH if part is None else f"{number(round(part * 100, 2))} %"


def milliseconds(seconds: float | None) -> str:
    """0.00042 is ``0.42 ms``, 1.25 is ``1.25 s``; a dash for None."""
    if seconds is None:
        return DASH
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def size(count: int) -> str:
    """A number of bytes: 712704 is ``696 KiB``."""
    amount, steps = float(count), 0
    while amount >= 1024 and steps < len(_UNITS) - 1:
        amount, steps = amount / 1024, steps + 1
    digits = 0 if amount >= 10 or steps == 0 else 1
    return f"{amount:.{digits}f} {_UNITS[steps]}"


def parse_time(text: str) -> datetime:
    """A timestamp as the registry's views have it."""
    return datetime.fromisoformat(text)


def moment(at: datetime, now: datetime) -> str:
    """``22 Nov, 07:51`` in UTC, with the year if it is not this one. The script localizes it."""
    at = at.astimezone(UTC)
    year = "" if at.year == now.year else f" {at.year}"
    return f"{at.day} {at:%b}{year}, {at:%H:%M}"


def full_moment(at: datetime) -> str:
    """``2026-11-22 07:51:03 UTC``."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(time: timedelta) -> str:
    """The time in its largest whole unit: ``11 minutes``."""
    seconds = max(0, int(time.total_seconds()))
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}" if count == 1 else f"{count:,} {unit}s"
    return "under a minute"


def plural(count: int, one: str, many: str = "") -> str:
    """``1 version``, ``4 versions``."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def metric_name(name: str) -> str:
    """``rmse`` is ``RMSE``; a metric that is not ours has its own name."""
    return _METRICS.get(name, name)


def first_upper(text: str) -> str:
    """``chance of yes`` is ``Chance of yes``."""
    return text[:1].upper() + text[1:]


def spreadsheet_cell(text: str) -> str:
    """``text`` for a CSV file: with a quote ``'`` before it if spreadsheets would calculate it
    (CWE-1236)."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def short_hash(digest: str) -> str:
    return digest[:12]


def json_text(value: Any) -> str:
    """``value`` as JSON, indented where it has parts."""
    return json.dumps(
        value, indent=2 if isinstance(value, dict | list) else None, ensure_ascii=False
    )
