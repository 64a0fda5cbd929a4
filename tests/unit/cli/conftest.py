from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from tests.unit.cli.fake_service import HSW, FakeService, running

Hotswap = Callable[..., Result]


@pytest.fixture
def service() -> Iterator[FakeService]:
    with running() as service:
        yield service


@pytest.fixture
def hotswap(service: FakeService) -> Hotswap:
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
