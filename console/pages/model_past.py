"""What production of a model pointed at: over a time, and at a time."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import request
from sqlalchemy.orm import Session

from console.charts.timeline import timeline
from console.queries import choice_in_query
from registry.errors import AliasNotFound, ParameterMalformed
from registry.names import PRODUCTION
from registry.reading.alias_moves import alias_at, tenures
from registry.storage.tables import utc_now

RANGES = ("30d", "24h", "7d", "all")
_LENGTHS = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_FIRST_TIME = datetime(1, 1, 1, tzinfo=UTC)
_LISTED = 30
_LARGEST_ZONE = 24 * 60


def past(session: Session, name: str) -> dict[str, Any]:
    """The time line of the range of the URL, its text, and what was live at the time of the URL.

    Raises ParameterMalformed.
    """
    now = utc_now()
    range_ = choice_in_query("range", RANGES)
    after = now - _LENGTHS[range_] if range_ in _LENGTHS else None
    found = tenures(session, name, PRODUCTION, after)
    start = max(after or _FIRST_TIME, found[0].since) if found else now
    at = _time()
    return {
        "ranges": RANGES,
        "timeline": timeline(found, start, now) if found else None,
        "tenures": found[: -_LISTED - 1 : -1],
        "at": at,
        "then": None if at is None else _then(session, name, at),
    }


def _then(session: Session, name: str, at: datetime) -> dict[str, Any] | None:
    """What production pointed at; None: at nothing."""
    try:
        return alias_at(session, name, PRODUCTION, at)
    except AliasNotFound:
        return None


def _time() -> datetime | None:
    """The time ``at`` of the URL, which is in UTC, or ``zone`` minutes behind it."""
    text = request.args.get("at", "")
    if not text:
        return None
    try:
        zone = int(request.args.get("zone") or 0)
        if abs(zone) > _LARGEST_ZONE:
            raise ValueError(zone)
        return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(minutes=zone)
    except (ValueError, OverflowError) as error:
        raise ParameterMalformed("at", "expected a time such as 2026-01-31T14:00.") from error
