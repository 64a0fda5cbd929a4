"""Sizes, times and numbers as people read them."""

from collections.abc import Mapping
from datetime import UTC, datetime

ABSENT = "-"
"""Stands where there is nothing, so that a line has as many fields as its heading."""


def one_line(value: object) -> str:
    """``value`` on one line, with what could steer a terminal made visible."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in str(value)
    )


def cell(value: object) -> str:
    """``value`` for a table."""
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
    """Six digits that matter (48211.7, 0.82, 7.5e-07); millions in groups of three."""
    return f"{value:,.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:.6g}"


def size(count: int) -> str:
    """Bytes as B, kB, MB or GB (powers of ten)."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def moment(text: str | None) -> str:
    """A time of the service as ``2026-11-21 06:00:00 UTC``."""
    if not text:
        return ABSENT
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return one_line(text)
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return f"{aware:%Y-%m-%d %H:%M:%S} UTC"
