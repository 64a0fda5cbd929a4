"""The heartbeat of the keeper, in its real file."""

import os
import struct
import subprocess
import time
from pathlib import Path

import pytest

from registry.watching.heartbeat import (
    Heartbeat,
    age,
    is_watched,
    last_beat,
    unwatched_seconds,
)
from tests.integration.watching.serving_since import serve_since


def test_there_is_no_beat_before_the_first_one(tmp_path: Path) -> None:
    assert age(tmp_path) is None

    heartbeat = Heartbeat(tmp_path)
    assert age(tmp_path) is None

    heartbeat.beat()
    assert age(tmp_path) is not None
    heartbeat.close()


def test_its_age_grows_after_the_keeper_has_ended(tmp_path: Path) -> None:
    heartbeat = Heartbeat(tmp_path)
    heartbeat.beat()
    heartbeat.close()
    time.sleep(0.05)

    beat = last_beat(tmp_path)
    assert beat is not None
    assert 0.05 <= beat.age < 5
    assert beat.pid == os.getpid()


def test_a_new_keeper_does_not_beat_by_starting(tmp_path: Path) -> None:
    (tmp_path / "keeper").write_bytes(struct.pack("=qq", time.monotonic_ns() - 90 * 10**9, 7))

    Heartbeat(tmp_path).close()

    assert age(tmp_path) == pytest.approx(90, abs=5)


def test_a_beat_of_before_the_host_was_started_again_is_none(tmp_path: Path) -> None:
    (tmp_path / "keeper").write_bytes(struct.pack("=qq", time.monotonic_ns() + 10**12, 7))

    assert age(tmp_path) is None


def beat_before(run: Path, seconds: float) -> None:
    (run / "keeper").write_bytes(struct.pack("=qq", time.monotonic_ns() - int(seconds * 1e9), 7))


def test_nothing_is_unwatched_where_no_worker_runs(tmp_path: Path) -> None:
    beat_before(tmp_path, 500)
    ended = subprocess.Popen(["true"])
    ended.wait()
    serve_since(tmp_path, 300, ended.pid)

    assert unwatched_seconds(tmp_path) is None
    assert is_watched(tmp_path)


def test_what_is_served_longer_than_the_keeper_is_dead_is_unwatched_since_its_last_beat(
    tmp_path: Path,
) -> None:
    serve_since(tmp_path, 10)
    serve_since(tmp_path, 300)
    beat_before(tmp_path, 61)

    assert unwatched_seconds(tmp_path) == pytest.approx(61, abs=5)
    assert not is_watched(tmp_path)


def test_a_service_that_was_started_after_the_last_beat_is_unwatched_since_its_start(
    tmp_path: Path,
) -> None:
    serve_since(tmp_path, 10)
    beat_before(tmp_path, 5000)

    assert unwatched_seconds(tmp_path) == pytest.approx(10, abs=5)
    assert is_watched(tmp_path)
