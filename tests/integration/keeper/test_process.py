"""The keeper as a process of its own, started with ``hotswap watch run``."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry.live.counter import Counter
from registry.storage.database import Database
from registry.storage.schema import upgrade
from registry.watching.heartbeat import last_beat
from tests.processes import is_alive, wait_for

Start = Callable[..., "subprocess.Popen[str]"]

LOADED = """
import json, sys, threading
from pathlib import Path
from config import Settings
from keeper.process import keep
from registry.watching.heartbeat import age

data, stopping = Path(sys.argv[1]), threading.Event()

def stop_after_the_first_round():
    while age(data / "run") is None:
        stopping.wait(0.01)
    stopping.set()

threading.Thread(target=stop_after_the_first_round).start()
keep(Settings(data=data), stopping)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory on which a server of this release was started."""
    folder = tmp_path / "data"
    begin_to_serve(folder)
    migrate(folder)
    return folder


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts keepers; those that are left at the end are killed."""
    started = []

    def begin(data: Path, *arguments: str) -> "subprocess.Popen[str]":
        log = (tmp_path / f"keeper-{len(started)}.log").open("w")
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "cli", "watch", "run", *arguments],
            env={**os.environ, "HOTSWAP_DATA": str(data), "HOTSWAP_LOG_FORMAT": "text"},
            stdin=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        log.close()
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def begin_to_serve(data: Path) -> None:
    """Do what a server does first."""
    Counter(data / "run" / "counter").close()


def migrate(data: Path) -> None:
    database = Database(f"sqlite:///{data / 'registry.db'}")
    upgrade(database)
    database.dispose()


def keeps(data: Path, process: "subprocess.Popen[str]") -> bool:
    """Whether the process is the keeper of the directory."""
    assert process.poll() is None, "it has ended"
    beat = last_beat(data / "run")
    return beat is not None and beat.pid == process.pid and beat.age < 5


def test_it_beats_until_it_is_asked_to_stop(data: Path, start: Start) -> None:
    keeper = start(data)
    wait_for(lambda: keeps(data, keeper))
    first = last_beat(data / "run")
    wait_for(lambda: (last_beat(data / "run") or first).age < first.age)

    keeper.send_signal(signal.SIGTERM)

    assert keeper.wait(20) == 0


@pytest.mark.slow  # two processes; test_rollouts.py has two keepers
def test_a_second_one_waits_and_takes_the_place_of_one_that_was_killed(
    data: Path, start: Start, tmp_path: Path
) -> None:
    first = start(data)
    wait_for(lambda: keeps(data, first))
    second = start(data)
    wait_for(lambda: "another keeper" in (tmp_path / "keeper-1.log").read_text())
    assert keeps(data, first)

    first.kill()

    wait_for(lambda: keeps(data, second))


@pytest.mark.slow
def test_it_waits_for_a_server_and_for_a_schema_that_this_release_serves(
    tmp_path: Path, start: Start
) -> None:
    data, log = tmp_path / "new", tmp_path / "keeper-0.log"
    keeper = start(data)
    wait_for(lambda: f"no server uses {data}" in log.read_text())
    assert not data.exists(), "a backup could not be restored into it"

    begin_to_serve(data)
    wait_for(lambda: "does not have a schema that this" in log.read_text())
    assert last_beat(data / "run") is None
    assert not (data / "registry.db").exists()

    migrate(data)

    wait_for(lambda: keeps(data, keeper))


@pytest.mark.slow
def test_it_ends_when_its_directory_was_moved_away(
    data: Path, start: Start, tmp_path: Path
) -> None:
    keeper = start(data)
    wait_for(lambda: keeps(data, keeper))

    data.rename(tmp_path / "former")

    assert keeper.wait(20) == 0
    assert "the data directory was replaced" in (tmp_path / "keeper-0.log").read_text()


@pytest.mark.slow
def test_an_attached_one_ends_when_its_standard_input_is_closed(data: Path, start: Start) -> None:
    keeper = start(data, "--attached")
    wait_for(lambda: keeps(data, keeper))
    assert keeper.stdin is not None

    keeper.stdin.close()

    assert keeper.wait(20) == 0
    assert not is_alive(keeper.pid)


def test_it_has_loaded_neither_a_web_framework_nor_a_library_that_trains(data: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", LOADED, str(data)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    heavy = {"flask", "werkzeug", "marshmallow", "sklearn", "scipy", "pandas", "onnxruntime"}
    loaded = set(json.loads(found.stdout))
    assert "sqlalchemy" in loaded
    assert loaded & heavy == set()


@pytest.mark.slow  # registry/test_file_modes.py has what is refused
def test_a_directory_that_is_used_for_something_else_is_refused(
    tmp_path: Path, start: Start
) -> None:
    (tmp_path / "photographs.zip").touch()

    keeper = start(tmp_path)

    assert keeper.wait(60) == 1
    assert not (tmp_path / "run").exists()
