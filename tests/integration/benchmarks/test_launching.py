"""Servers are started on a core, awaited, and stopped with all their processes."""

import os
import socket
import sys
from pathlib import Path

import pytest

from benchmarks.launching import ServerFailed, launched
from benchmarks.memory import family, runs

SERVES = (
    "from http.server import *; "
    "HTTPServer(('127.0.0.1', {0}), SimpleHTTPRequestHandler).serve_forever()"
)
LEAVES_ONE_BEHIND = (
    "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()'], "
    "stdin=subprocess.PIPE, start_new_session=True); " + SERVES
)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_server_runs_on_its_core_and_is_stopped_with_its_children(
    tmp_path: Path, port: int
) -> None:
    command = [sys.executable, "-c", LEAVES_ONE_BEHIND.format(port)]
    core = max(os.sched_getaffinity(0))

    with launched(
        command, f"http://127.0.0.1:{port}/", cwd=tmp_path, environment=os.environ, core=core
    ) as running:
        started = family(running.process.pid)
        assert len(started) == 2
        assert os.sched_getaffinity(running.process.pid) == {core}
        assert running.seconds_to_ready > 0

    assert not any(map(runs, started))


def test_the_error_of_a_server_that_exits_contains_its_output(tmp_path: Path, port: int) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such model')"]

    with (
        pytest.raises(ServerFailed, match="no such model"),
        launched(command, f"http://127.0.0.1:{port}/", cwd=tmp_path, environment=os.environ),
    ):
        pass


def test_a_port_in_use_is_not_a_ready_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"

        with (
            pytest.raises(ServerFailed, match="cannot listen on"),
            launched([sys.executable], url, cwd=tmp_path, environment=os.environ),
        ):
            pass
