"""The heartbeat of the keeper, in its real file."""

import os
import struct
import time
from pathlib import Path

import pytest

from registry.watching.heartbeat import Heartbeat, age, last_beat


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
    (tmp_path / "keeper").write_bytes(struct.pack("=QQ", time.monotonic_ns() - 90 * 10**9, 7))

    Heartbeat(tmp_path).close()

    assert age(tmp_path) == pytest.approx(90, abs=5)


def test_a_beat_of_before_the_host_was_started_again_is_none(tmp_path: Path) -> None:
    (tmp_path / "keeper").write_bytes(struct.pack("=QQ", time.monotonic_ns() + 10**12, 7))

    assert age(tmp_path) is None
