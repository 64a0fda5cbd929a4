"""Predictions by minute and hour in the database."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from sqlalchemy import func, select

from registry.operations.record_traffic import record_traffic
from registry.storage.tables import TrafficRow
from registry.watching.counts import BINS, BOUNDS
from registry.watching.named_rows import Row
from registry.watching.recorded_traffic import last_hour, traffic_of
from registry.watching.stored_times import packed
from registry.watching.traffic import Increase

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def predicted(version, times=(), alias="production", refused=0, failed=0):
    bins = np.bincount(np.searchsorted(BOUNDS, list(times)), minlength=BINS)
    return Increase(Row("m", version, alias), refused, failed, bins.astype(np.uint64))


def traffic(database, window, until, **version):
    with database.read() as session:
        return traffic_of(session, "m", window, until, **version)


def stored(database, step):
    with database.read() as session:
        rows = select(func.count()).where(TrafficRow.seconds == step.total_seconds())
        return session.scalar(rows)


def test_figures_are_by_version_with_outcomes_durations_and_the_share_by_number(database):
    fast, slow = [0.0015] * 96, [0.4] * 4
    record_traffic(database, NOON, [predicted(1, fast + slow), predicted(2, [0.001], failed=1)])
    record_traffic(
        database, NOON + MINUTE, [predicted(1, [0.0015] * 100, alias="", refused=200, failed=100)]
    )

    found = traffic(database, "1h", NOON + 10 * MINUTE)

    assert (found["since"], found["until"]) == (
        "2026-11-22T11:10:00.000Z",
        "2026-11-22T12:10:00.000Z",
    )
    one, two = found["versions"]
    assert (one["version"], one["requests"], one["ok"]) == (1, 500, 200)
    assert (one["refused"], one["failed"], one["by_number_share"]) == (200, 100, 0.8)
    assert 0.001 < one["p50_seconds"] < one["p95_seconds"] < 0.0025
    assert 0.25 < one["p99_seconds"] <= 0.5
    assert [point["requests"] for point in one["series"]] == [100, 400]
    assert [point["at"] for point in one["series"]] == [
        "2026-11-22T12:00:00.000Z",
        "2026-11-22T12:01:00.000Z",
    ]
    assert (two["requests"], two["failed"], two["by_number_share"]) == (2, 1, 0.0)


def test_one_version_can_be_selected(database):
    record_traffic(database, NOON, [predicted(1, [0.1]), predicted(2, [0.1])])

    found = traffic(database, "10m", NOON + MINUTE, version=2)

    assert [one["version"] for one in found["versions"]] == [2]


def test_a_window_ends_where_it_says(database):
    for minute in range(20):
        record_traffic(database, NOON + minute * MINUTE, [predicted(1, [0.1])])

    (one,) = traffic(database, "10m", NOON + 10 * MINUTE)["versions"]

    assert one["requests"] == 10


def test_hours_are_the_sums_of_their_minutes(database):
    for minute in range(0, 120, 7):
        record_traffic(database, NOON + minute * MINUTE, [predicted(1, [0.1, 0.2], failed=1)])

    (by_minute,) = traffic(database, "24h", NOON + 2 * HOUR)["versions"]
    (by_hour,) = traffic(database, "30d", NOON + 2 * HOUR)["versions"]

    assert [point["requests"] for point in by_hour["series"]] == [27, 27]
    assert (by_minute["requests"], by_minute["p99_seconds"]) == (54, by_hour["p99_seconds"])


def test_what_two_servers_count_in_the_same_minute_is_added(database):
    for _ in range(2):
        record_traffic(database, NOON, [predicted(1, [0.1], refused=2)])

    (one,) = traffic(database, "1h", NOON + MINUTE)["versions"]

    assert (one["ok"], one["refused"]) == (2, 4)


def test_what_two_servers_record_at_the_same_time_is_added(database):
    first = predicted(1, [0.1], refused=2)
    row = TrafficRow(
        **first.row._asdict(),
        seconds=60,
        start=NOON,
        refused=first.refused,
        failed=0,
        times=packed(first.times),
    )
    with ThreadPoolExecutor(1) as threads:
        with database.write() as session:
            session.add(row)
            session.flush()
            recording = threads.submit(record_traffic, database, NOON, [first])
            time.sleep(0.3)
        recording.result(10)

    (one,) = traffic(database, "1h", NOON + MINUTE)["versions"]
    assert (one["ok"], one["refused"]) == (2, 4)


def test_minutes_are_kept_for_a_day_and_hours_for_thirty(database):
    for at in (NOON, NOON + DAY - HOUR, NOON + 2 * DAY):
        record_traffic(database, at, [predicted(1, [0.1])])
    assert (stored(database, MINUTE), stored(database, HOUR)) == (1, 3)

    record_traffic(database, NOON + 31 * DAY + 2 * HOUR, [predicted(1, [0.1])])

    assert (stored(database, MINUTE), stored(database, HOUR)) == (1, 2)


def test_a_model_without_traffic_has_no_versions(database):
    assert traffic(database, "30d", NOON)["versions"] == []


@pytest.mark.parametrize("zone", [timedelta(hours=5, minutes=45), timedelta(hours=-8)])
def test_hours_are_those_of_utc_in_whatever_zone_the_end_is_given(database, zone):
    record_traffic(database, NOON, [predicted(1, [0.1])])

    found = traffic(database, "30d", (NOON + MINUTE).astimezone(timezone(zone)))

    assert found["until"] == "2026-11-22T13:00:00.000Z"
    assert found["versions"][0]["series"][0]["at"] == "2026-11-22T12:00:00.000Z"


def test_the_last_hour_of_a_version_under_an_alias_is_that_before_a_moment(database):
    for minutes, seconds in ((-61, 5.0), (-59, 0.001), (-1, 0.002), (1, 5.0)):
        record_traffic(database, NOON + minutes * MINUTE, [predicted(1, [seconds], failed=1)])
    record_traffic(database, NOON - MINUTE, [predicted(2, [5.0]), predicted(1, [5.0], alias="")])

    with database.read() as session:
        found = last_hour(session, "m", "production", 1, NOON)

    assert (found.answered, found.failed) == (2, 2)
    assert 0.001 < found.quantile(1.0) < 0.003
