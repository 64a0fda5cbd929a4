"""Reads the predictions of versions by minute and hour, and makes figures of them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.reading.views import timestamp
from registry.storage.tables import TrafficRow
from registry.watching.counts import Counts
from registry.watching.stored_times import unpacked
from registry.watching.traffic import MINUTE, floor, quantile

HOUR = timedelta(hours=1)
_Key = TypeVar("_Key")


class Window(NamedTuple):
    """A time of this ``length``, stored every ``stored``, in points of ``step``."""

    length: timedelta
    stored: timedelta
    step: timedelta


WINDOWS: Mapping[str, Window] = {
    "1h": Window(HOUR, MINUTE, MINUTE),
    "10m": Window(10 * MINUTE, MINUTE, MINUTE),
    "24h": Window(24 * HOUR, MINUTE, 15 * MINUTE),
    "30d": Window(30 * 24 * HOUR, HOUR, HOUR),
}


class Stored(NamedTuple):
    """Predictions of a version in a minute or hour, as ``TrafficRow`` has them."""

    model: str
    start: datetime
    version: int
    alias: str
    refused: int
    failed: int
    times: bytes


class Figures(NamedTuple):
    """Predictions by outcome; ``times`` has the answered ones by bin of duration."""

    times: Counts
    refused: int
    failed: int

    @property
    def answered(self) -> int:
        return int(self.times.sum())

    @property
    def requests(self) -> int:
        return self.answered + self.refused + self.failed

    @property
    def failed_share(self) -> float | None:
        """The part of the requests that failed; None without requests."""
        return self.failed / self.requests if self.requests else None

    @property
    def refused_share(self) -> float | None:
        """The part of the requests that were refused; None without requests."""
        return self.refused / self.requests if self.requests else None

    def quantile(self, share: float) -> float | None:
        """The time in seconds within which ``share`` of the answered ones were answered."""
        return quantile(self.times, share)


def read_traffic(
    session: Session,
    models: Collection[str] | None,
    stored: timedelta,
    since: datetime,
    until: datetime,
) -> list[Stored]:
    """What was stored every ``stored`` (a minute or an hour) of ``models``, or of all if None, from
    the time that began at ``since`` on, without that which began at ``until``."""
    query = select(
        TrafficRow.model,
        TrafficRow.start,
        TrafficRow.version,
        TrafficRow.alias,
        TrafficRow.refused,
        TrafficRow.failed,
        TrafficRow.times,
    ).where(
        *([] if models is None else [TrafficRow.model.in_(models)]),
        TrafficRow.seconds == int(stored.total_seconds()),
        TrafficRow.start >= since,
        TrafficRow.start < until,
    )
    return [Stored(*row) for row in session.execute(query)]


def last_hour(session: Session, model: str, alias: str, version: int, until: datetime) -> Figures:
    """What ``version`` answered under ``alias`` in the hour before ``until``, on all servers;
    without the minute that has yet to be recorded."""
    rows = read_traffic(session, [model], MINUTE, until - HOUR, until)
    return figures_of(row for row in rows if (row.alias, row.version) == (alias, version))


def figures_of(rows: Iterable[Stored]) -> Figures:
    """The sums of ``rows``."""
    chosen = list(rows)
    times = unpacked([row.times for row in chosen]).sum(axis=0, dtype=np.uint64)
    refused, failed = sum(row.refused for row in chosen), sum(row.failed for row in chosen)
    return Figures(times, refused, failed)


def grouped(rows: Iterable[Stored], key: Callable[[Stored], _Key]) -> dict[_Key, list[Stored]]:
    """``rows`` by what ``key`` gives for each."""
    found: dict[_Key, list[Stored]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def traffic_of(
    session: Session, model: str, window: str, until: datetime, version: int | None = None
) -> dict[str, Any]:
    """The predictions of the versions of ``model``, or of one, in the ``window`` (a key of
    WINDOWS) that ends at ``until``, which is rounded up to a whole minute or hour."""
    length, stored, step = WINDOWS[window]
    end = floor(until.astimezone(UTC) + stored - timedelta(microseconds=1), stored)
    since = end - length
    rows = read_traffic(session, [model], stored, since, end)
    versions = grouped(rows, lambda row: row.version)
    return {
        "model": model,
        "window": window,
        "since": timestamp(since),
        "until": timestamp(end),
        "step_seconds": int(step.total_seconds()),
        "versions": [
            {"version": number, **_version_view(versions[number], step)}
            for number in sorted(versions)
            if version in (None, number)
        ],
    }


def _version_view(rows: Sequence[Stored], step: timedelta) -> dict[str, Any]:
    by_number = figures_of(row for row in rows if not row.alias).requests
    figures = figures_of(rows)
    points = grouped(rows, lambda row: floor(row.start, step))
    return {
        **_counts(figures),
        "by_number_share": by_number / figures.requests,
        "p50_seconds": figures.quantile(0.5),
        "p95_seconds": figures.quantile(0.95),
        "p99_seconds": figures.quantile(0.99),
        "series": [_point(start, figures_of(points[start])) for start in sorted(points)],
    }


def _point(start: datetime, figures: Figures) -> dict[str, Any]:
    return {
        "at": timestamp(start),
        **_counts(figures),
        "p99_seconds": figures.quantile(0.99),
    }


def _counts(figures: Figures) -> dict[str, int]:
    return {
        "requests": figures.requests,
        "ok": figures.answered,
        "refused": figures.refused,
        "failed": figures.failed,
    }
