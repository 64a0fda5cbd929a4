"""Servers for the tests: one shared, or one of their own."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.swap import constant_model
from tests.system.models import upload
from tests.system.real_server import BIN, Server, free_port, running, wait_until


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-route", action="store_true", help="Send each hostile name to every route."
    )


@pytest.fixture(scope="session")
def kills(long_faults: bool) -> int:
    """How many times a keeper is killed; ``make test-faults`` does it more often."""
    return 20 if long_faults else 8


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with two workers for all tests that do not change its state."""
    data = tmp_path_factory.mktemp("server") / "data"
    with running([BIN / "hotswap", "serve", "--workers", "2"], data, free_port()) as started:
        yield started


@pytest.fixture(scope="session")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one worker, so that whoever is held up is held up by its neighbour. It has the
    model ``plane``; it and the tests may open 4,096 files, for that many connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    data = tmp_path_factory.mktemp("single") / "data"
    with running([BIN / "hotswap", "serve", "--workers", "1"], data, free_port()) as started:
        upload(started, "plane", constant_model(100.0))
        started.call("POST", "/models/plane/1/promote").raise_for_status()
        yield started


@pytest.fixture(scope="module")
def _hardy_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("hardy") / "data"
    with running([BIN / "hotswap", "serve", "--workers", "2"], data, free_port()) as started:
        yield started


@pytest.fixture
def hardy_server(_hardy_server: Server) -> Server:
    """One server for the tests of a file that kill its workers, and not its main process."""
    wait_until(lambda: len(_hardy_server.workers()) == 2, "the workers were not replaced")
    wait_until(lambda: _hardy_server.call("GET", "/readyz").ok, "the server is not ready")
    return _hardy_server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server for one test."""
    command = [BIN / "hotswap", "serve", "--workers", "2"]
    with running(command, tmp_path / "data", free_port()) as started:
        yield started
