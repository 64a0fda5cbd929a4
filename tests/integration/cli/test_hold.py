"""One service at a time uses a data directory, and the others learn which."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cli.exits import CommandFailed
from cli.hold import Hold, is_held

HOLDING = """
import sys, time
from pathlib import Path
from cli.hold import Hold
Hold.acquire(Path(sys.argv[1])).record("127.0.0.1:8000")
print("held", flush=True)
time.sleep(600)
"""


def test_a_second_service_is_refused_with_the_process_time_and_address_of_the_first(
    tmp_path: Path,
) -> None:
    hold = Hold.acquire(tmp_path)
    assert hold is not None
    hold.record("127.0.0.1:8000")

    with pytest.raises(CommandFailed) as refused:
        Hold.acquire(tmp_path, patience=0)

    assert re.search(
        rf"{tmp_path} is in use by process {os.getpid()} on \S+, "
        r"serving at 127\.0\.0\.1:8000 since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
        refused.value.message,
    )
    assert "--take-over" in refused.value.advice
    hold.close()


def test_a_run_directory_of_another_service_is_named(tmp_path: Path) -> None:
    hold = Hold.acquire(tmp_path / "one", tmp_path / "run")
    assert hold is not None

    with pytest.raises(CommandFailed) as refused:
        Hold.acquire(tmp_path / "two", tmp_path / "run", patience=0)

    assert f"directory {tmp_path / 'run'} (HOTSWAP_RUN) is in use by" in refused.value.message
    assert "set HOTSWAP_RUN" in refused.value.advice
    hold.close()


def test_looking_for_a_hold_does_not_create_the_directory(
    tmp_path: Path,
) -> None:
    assert Hold.acquire(tmp_path / "data", create=False) is None
    assert not is_held(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_killed_service_releases_its_hold(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, tmp_path], stdout=subprocess.PIPE
    ) as holding:
        assert holding.stdout is not None
        assert holding.stdout.readline() == b"held\n"
        assert is_held(tmp_path)
        holding.kill()

    assert not is_held(tmp_path)
    hold = Hold.acquire(tmp_path, patience=0)
    assert hold is not None
    hold.close()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1, "later": 2}'])
def test_a_hold_with_an_unreadable_file_still_counts(tmp_path: Path, text: str) -> None:
    hold = Hold.acquire(tmp_path)
    (tmp_path / "run" / "serve.lock").write_text(text)

    with pytest.raises(CommandFailed, match="in use by another service"):
        Hold.acquire(tmp_path, patience=0)

    assert hold is not None
    hold.close()
