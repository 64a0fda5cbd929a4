"""The process that a main process starts in its place on SIGUSR2."""

import json
import os
import sys
from pathlib import Path

import pytest

from cli.main_process import Command
from tests.processes import is_alive, wait_for

REPORT = """
import json, os, sys, time
from pathlib import Path
place, *arguments = sys.argv[1:]
files = os.listdir("/proc/self/fd")
Path(place, "part").write_text(json.dumps([os.getpid(), arguments, os.environ["COLOUR"], files]))
Path(place, "part").rename(Path(place, "report"))
while not Path(place, "stop").exists():
    time.sleep(0.01)
"""


def test_it_runs_the_same_command_and_is_not_a_child_of_its_predecessor(tmp_path: Path) -> None:
    command = Command((sys.executable, "-c", REPORT, str(tmp_path), "--port"), {"COLOUR": "green"})
    successor = command.successor()
    try:
        wait_for((tmp_path / "report").exists)
        pid, arguments, colour, files = json.loads((tmp_path / "report").read_text())
        stat = Path(f"/proc/{successor}/stat").read_text()
    finally:
        (tmp_path / "stop").touch()

    assert (pid, arguments, colour) == (successor, ["--port", "--take-over"], "green")
    assert int(stat.rpartition(")")[2].split()[1]) != os.getpid()
    assert set(files) <= {"0", "1", "2", "3"}, "it inherits the pipe on which it was reported"
    wait_for(lambda: not is_alive(successor))


def test_a_program_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="see above"):
        Command((str(tmp_path / "gone"), "serve"), {}).successor()
