"""Requests that are repeated because their process ended before it answered."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from registry.storage.attempts import REPEATED_SECONDS, Attempts

BEGIN = """
import sys
from pathlib import Path
from registry.storage.attempts import Attempts
attempt = Attempts(Path(sys.argv[1])).begin("a")
print(attempt.key, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "attempts"


def test_an_answered_request_is_not_repeated(folder):
    attempts = Attempts(folder)
    first = attempts.begin("a")
    first.finish()
    second = attempts.begin("a")
    assert first.key != second.key
    second.finish()
    assert list(folder.iterdir()) == []


def test_a_request_of_a_process_that_was_killed_is_repeated(folder):
    attempts = Attempts(folder)
    command = [sys.executable, "-c", BEGIN, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        key = other.stdout.readline().decode().strip()
        # It is still at work: the same request is another one.
        own = attempts.begin("a")
        assert own.key != key
        own.finish()
        os.kill(other.pid, signal.SIGKILL)
        other.wait(30)
    for fingerprint in ("b", "a."):
        another = attempts.begin(fingerprint)
        assert another.key != key
        another.finish()
    again = attempts.begin("a")
    assert again.key == key
    again.leave()  # it failed as well
    last = attempts.begin("a")
    assert last.key == key
    last.finish()
    assert list(folder.iterdir()) == []


def test_an_old_request_is_not_repeated(folder):
    before = Attempts(folder).begin("a")
    before.leave()
    later = Attempts(folder, clock=lambda: time.time() + REPEATED_SECONDS + 60)
    after = later.begin("a")
    assert after.key != before.key
    after.finish()
    assert list(folder.iterdir()) == []


def test_one_of_several_repeats_it(folder):
    attempts = Attempts(folder)
    before = attempts.begin("a")
    before.leave()
    with ThreadPoolExecutor(8) as threads:
        begun = list(threads.map(lambda _: attempts.begin("a"), range(8)))
    keys = [each.key for each in begun]
    assert len(set(keys)) == 8
    assert keys.count(before.key) == 1
    for each in begun:
        each.finish()
    assert list(folder.iterdir()) == []
