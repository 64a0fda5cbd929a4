"""The service as process 1 of a PID namespace, as in a container."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import children
from tests.system.models import upload
from tests.system.real_server import BIN, Server, free_port, running, wait_until

ROW = {"input": [5.1, 3.5, 1.4, 0.2]}
NAMESPACE = ["--pid", "--fork", "--mount-proc", "--kill-child"]


@pytest.fixture(scope="module")
def in_container() -> list[str]:
    """A command that runs the one after it as process 1."""
    for rights in ([], ["--user", "--map-root-user"]):
        command = ["unshare", *rights, *NAMESPACE]
        if shutil.which("unshare") and subprocess.call([*command, "true"]) == 0:
            return command
    pytest.skip("unshare(1) may not create PID namespaces on this machine")


def is_draining(server: Server) -> bool:
    return server.call("GET", "/readyz").status_code == 503


@pytest.mark.slow  # four starts; test_processes.py has the drain of a process with any id
def test_a_container_killed_while_draining_can_start_again(
    in_container: list[str], tmp_path: Path
) -> None:
    """Each start has the process id 1, and those of its workers, again."""
    serve, seconds = [*in_container, BIN / "hotswap", "serve", "--workers", "2"], list[float]()
    for then in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        start = time.monotonic()
        with running(serve, tmp_path / "data", free_port()) as server:
            seconds.append(time.monotonic() - start)
            if len(seconds) == 1:
                upload(server, "iris")
                server.call("POST", "/models/iris/1/promote").raise_for_status()
            assert server.call("POST", "/models/iris/predict", json=ROW).json()["version"] == 1
            (main,) = children(server.process.pid)
            os.kill(main, signal.SIGTERM)
            wait_until(lambda server=server: is_draining(server), "it stopped without a drain")
            os.kill(main, then)
            server.process.wait(60)

    sys.stdout.write(f"ready after {', '.join(f'{one:.1f} s' for one in seconds)}\n")


@pytest.mark.slow
def test_process_1_of_a_container_refuses_to_be_replaced(
    in_container: list[str], tmp_path: Path
) -> None:
    serve = [*in_container, BIN / "hotswap", "serve", "--workers", "1"]
    with running(serve, tmp_path / "data", free_port()) as server:
        (main,) = children(server.process.pid)
        os.kill(main, signal.SIGUSR2)
        wait_until(
            lambda: "process 1 of a container cannot be replaced" in server.log.read_text(),
            "it says nothing",
        )

        successor = server.hotswap("serve", "--take-over", "--port", str(server.port))

        assert successor.returncode == 1
        assert "it is process 1 of a container, which ends with it" in successor.stderr
        assert server.call("GET", "/readyz").status_code == 200
