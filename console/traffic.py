"""The traffic that pages show: of each model of a list, and before and after a change."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from console.charts.sparkline import Sparkline, sparkline
from registry.names import PRODUCTION
from registry.reading.alias_moves import tenures
from registry.storage.tables import utc_now
from registry.watching.recorded_traffic import (
    HOUR,
    Figures,
    figures_of,
    grouped,
    read_traffic,
)
from registry.watching.traffic import MINUTE, floor

HOURS = 24
SHOWN = timedelta(hours=1)
"""How long a change is shown after it was made."""
COMPARED = timedelta(minutes=10)


class ModelTraffic(NamedTuple):
    """The predictions of a model: in the last day by hour, and ``recent`` ones, which are those of
    this hour and the one before, in ``minutes``."""

    day: Sparkline
    recent: Figures
    minutes: int

    @property
    def per_minute(self) -> float:
        return self.recent.requests / self.minutes


class Side(NamedTuple):
    """A version's predictions in some minutes."""

    version: int
    figures: Figures
    minutes: float

    @property
    def per_minute(self) -> float:
        return self.figures.requests / self.minutes


class AfterChange(NamedTuple):
    """The version that was live in the ten minutes before a change, and the one that is live in
    the ten minutes since; and the share of all requests since that name a version by its number."""

    before: Side
    since: Side
    by_number_share: float | None


def traffic_of_models(session: Session, models: Collection[str]) -> dict[str, ModelTraffic]:
    """The traffic of the last day, by model; without the models that had none."""
    now = utc_now()
    this = floor(now, HOUR)
    first = this - (HOURS - 1) * HOUR
    rows = read_traffic(session, models, HOUR, first, this + HOUR)
    found = {}
    for model, its in grouped(rows, lambda row: row.model).items():
        hours = grouped(its, lambda row: row.start)
        counts = [
            figures_of(hours.get(first + number * HOUR, ())).requests for number in range(HOURS)
        ]
        recent = figures_of(row for row in its if row.start >= this - HOUR)
        minutes = 60 + max(1, now.minute)
        found[model] = ModelTraffic(sparkline(counts), recent, minutes)
    return found


def busiest_models(session: Session, most: int) -> list[tuple[str, Figures]]:
    """The predictions of the last hour of the models that had the most."""
    end = floor(utc_now(), MINUTE) + MINUTE
    by_model = grouped(read_traffic(session, None, MINUTE, end - HOUR, end), lambda row: row.model)
    found = [(model, figures_of(rows)) for model, rows in by_model.items()]
    return sorted(found, key=lambda one: (-one[1].requests, one[0]))[:most]


def error_shares(
    session: Session, model: str, alias: str, since: Mapping[int, datetime]
) -> dict[int, float]:
    """The part of the requests through ``alias`` that failed, of each version ``since`` it became
    live; without the versions that had none in the last 30 days."""
    if not since:
        return {}
    now = utc_now()
    rows = grouped(
        read_traffic(session, [model], HOUR, floor(min(since.values()), HOUR), now + HOUR),
        lambda row: row.version,
    )
    found = {}
    for number, start in since.items():
        share = figures_of(
            row
            for row in rows.get(number, ())
            if row.alias == alias and row.start >= floor(start, HOUR)
        ).failed_share
        if share is not None:
            found[number] = share
    return found


def after_change(session: Session, model: str) -> AfterChange | None:
    """What the last move of production changed; None if it was over an hour ago, or the first."""
    now = utc_now()
    moves = tenures(session, model, PRODUCTION, now - SHOWN)
    if len(moves) < 2 or moves[-1].since < now - SHOWN:
        return None
    old, new = moves[-2], moves[-1]
    changed = floor(new.since, MINUTE)
    rows = read_traffic(session, [model], MINUTE, changed - COMPARED, changed + COMPARED)
    if not rows:
        return None
    # The minute of the change is on both sides: each version has its own predictions in it.
    before = [row for row in rows if row.version == old.number and row.start <= changed]
    later = [row for row in rows if row.start >= changed]
    since = [row for row in later if row.version == new.number]
    by_number = figures_of(row for row in later if not row.alias).requests
    all_later = figures_of(later).requests
    elapsed = min(COMPARED, now - new.since) / MINUTE
    lasted = min(COMPARED, new.since - old.since) / MINUTE
    return AfterChange(
        Side(old.number, figures_of(before), max(1.0, lasted)),
        Side(new.number, figures_of(since), max(1.0, elapsed)),
        by_number / all_later if all_later else None,
    )
