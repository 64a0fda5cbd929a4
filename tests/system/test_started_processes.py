"""What the processes of a service do once they have started."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.processes import children, wait_for
from tests.system.real_server import BIN, free_port, running, wait_until

pytestmark = pytest.mark.slow  # each starts a service of its own
STATE = [sys.executable, "-m", "tests.system.serve_module", "tests.system.worker_state:app"]


def test_a_worker_collects_garbage_again_and_follows_how_busy_it_is(tmp_path: Path) -> None:
    with running(STATE, tmp_path / "data", free_port(), HOTSWAP_WORKERS="1") as server:
        state = requests.get(server.url, timeout=30).json()

    assert state["collects"]
    assert state["frozen"] > 10_000, "a full collection would traverse what imports have created"
    assert "scheduling" in state["threads"]


def test_the_main_process_looks_for_missing_defences_after_it_has_announced_the_service(
    tmp_path: Path,
) -> None:
    serve = [BIN / "hotswap", "serve", "--workers", "1"]
    with running(serve, tmp_path / "data", free_port()) as server:
        wait_until(lambda: " defence" in server.log.read_text(), "it says nothing of defences")
        log = server.log.read_text()

        loaded = Path(f"/proc/{server.process.pid}/maps").read_text()

    assert log.index("Hotswap serves at") < log.index(" defence")
    assert "granian" in loaded
    assert "sqlite" not in loaded, "its workers read the database; it would take 40 MB more"


def test_a_worker_that_is_killed_while_it_prepares_the_service_is_replaced(tmp_path: Path) -> None:
    data = tmp_path / "data"
    serve = [BIN / "hotswap", "serve", "--workers", "2"]
    with ThreadPoolExecutor(1) as beside:
        killed = beside.submit(kill_first_worker, data)
        with running(serve, data, free_port()) as server:
            workers = server.workers()
            assert server.call("GET", "/models").status_code == 200

    assert len(workers) == 2
    assert killed.result() not in workers
    assert "Traceback" not in server.log.read_text()


def test_a_reload_while_the_service_is_prepared_keeps_the_workers_that_just_started(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    serve = [BIN / "hotswap", "serve", "--workers", "2"]
    with ThreadPoolExecutor(1) as beside:
        before = beside.submit(reload, data)
        with running(serve, data, free_port()) as server:
            assert sorted(server.workers()) == before.result()
            server.process.terminate()
            assert server.process.wait(10) == 0


def reload(data: Path) -> list[int]:
    """Send SIGHUP as soon as the main process holds ``data``; the workers at that time."""
    main = main_process_of(data)
    os.kill(main, signal.SIGHUP)
    return sorted(child for child in children(main) if is_worker(child))


def main_process_of(data: Path) -> int:
    """The process id of the main process, as soon as it holds ``data``."""
    lock = data / "run" / "serve.lock"
    return int(json.loads(wait_for(lambda: lock.exists() and lock.read_text()))["pid"])


def kill_first_worker(data: Path) -> int:
    """Kill a worker as soon as the main process holds ``data``; its process id."""
    main = main_process_of(data)
    worker = min(child for child in children(main) if is_worker(child))
    os.kill(worker, signal.SIGKILL)
    return worker


def is_worker(pid: int) -> bool:
    return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_an_error_after_the_preparation_ends_the_service(tmp_path: Path) -> None:
    ended = served_in_vain(tmp_path, HOTSWAP_LOG_FILE="/nowhere/hotswap.log")

    assert ended.returncode == 2
    assert ended.stderr == (
        "Error: HOTSWAP_LOG_FILE cannot be opened: /nowhere/hotswap.log: "
        "No such file or directory.\n"
    )


def test_an_error_that_nobody_expected_ends_the_service_too(tmp_path: Path) -> None:
    """Python has no sys.stderr where that is closed, and the logs cannot be configured."""
    ended = served_in_vain(tmp_path, "2>&-")

    assert ended.returncode == 1


def test_an_error_is_reported_before_the_demo_is_trained(tmp_path: Path) -> None:
    ended = served_in_vain(tmp_path, "--demo", HOTSWAP_LOG_FILE="/nowhere/hotswap.log")

    assert ended.returncode == 2
    assert not any((tmp_path / "data" / "blobs").glob("*/*"))


def served_in_vain(
    tmp_path: Path, *arguments: str, **settings: str
) -> "subprocess.CompletedProcess[str]":
    """``hotswap serve`` with these arguments, which the shell reads."""
    command = f"exec {BIN / 'hotswap'} serve --port {free_port()} {' '.join(arguments)}"
    environment = {"HOTSWAP_DATA": str(tmp_path / "data"), "HOTSWAP_WORKERS": "2", **settings}
    return subprocess.run(
        ["sh", "-c", command],
        env=os.environ | environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
