"""What the processes of a service do once they have started."""

import sys
from pathlib import Path

import pytest
import requests

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

    assert log.index("Hotswap serves at") < log.index(" defence")
