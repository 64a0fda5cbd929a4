"""A fake service, the command that calls it, and processes in which connections are watched."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from click.testing import CliRunner, Result

from cli.connections import do_not_preload, preload
from cli.main import main
from tests.integration.cli.fake_service import HSW, FakeService, running

Hotswap = Callable[..., Result]


@pytest.fixture(scope="module")
def preloaded() -> Iterator[Executor]:
    """A process that preloads the library."""
    if not preload(os.environ):
        pytest.skip("installed without a C compiler")
    try:
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            process.submit(int).result()
            yield process
    finally:
        do_not_preload(os.environ)


@pytest.fixture
def service() -> Iterator[FakeService]:
    with running() as service:
        yield service


@pytest.fixture
def hotswap(service: FakeService) -> Hotswap:
    """Runs the command against ``service``."""
    return command(service)


def command(service: FakeService) -> Hotswap:
    """Runs the command against ``service``; what is no foreseen failure comes out as it is."""

    def run(
        *arguments: str,
        stdin: str | bytes | None = None,
        token: str = HSW,
        env: dict[str, str] | None = None,
    ) -> Result:
        given = {"HOTSWAP_URL": service.url, "HOTSWAP_TOKEN": token, "GITHUB_STEP_SUMMARY": ""}
        runner = CliRunner(env={**given, **(env or {})})
        result = runner.invoke(main, arguments, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
