"""Formats texts, numbers, sizes and times for people."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from registry.cards.blocks import figure, visible

ABSENT = "-"
"""Printed for a missing value, so that each line has as many fields as the heading."""


def one_line(value: object) -> str:
    """``value`` on one line, with line breaks and control characters escaped."""
    return visible(str(value))


def cell(value: object) -> str:
    """``value`` as the text of a table cell."""
    if value is None or value in ("", {}, []):
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{one_line(key)}={cell(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(cell(item) for item in value)
    return one_line(value)


def number(value: float) -> str:
    """Six significant digits (48211.7, 0.82, 7.5e-07); from a million on, grouped by thousands."""
    return f"{value:,.0f}" if 1e6 <= abs(value) < 1e15 else figure(value)


def with_intervals(
    metrics: Mapping[str, float], intervals: Mapping[str, Sequence[float]] | None
) -> dict[str, str]:
    """The metrics as text, each with its interval if it has one: ``34 (30 to 38)``."""
    known = intervals or {}
    return {
        name: f"{cell(value)} ({interval(known[name])})" if name in known else cell(value)
        for name, value in metrics.items()
    }


def interval(ends: Sequence[float] | None) -> str | None:
    """``-3.2 to -0.5``."""
    return " to ".join(map(number, ends)) if ends else None


def listed(names: Sequence[str], most: int) -> str:
    """The first ``most`` of ``names``, and the number of the others."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def size(count: int) -> str:
    """Bytes as B, kB, MB or GB (powers of ten)."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def moment(text: str | None) -> str:
    """A time from the service as ``2026-11-21 06:00:00 UTC``."""
    if not text:
        return ABSENT
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return one_line(text)
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return f"{aware:%Y-%m-%d %H:%M:%S} UTC"
