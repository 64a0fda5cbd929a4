"""Figures of injected faults: a sample is tried in ``make test``, all in ``make test-faults``,
which prints them."""

import time
from collections.abc import Callable

import pytest

_LINES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long-faults", action="store_true", help="Try every point and print the figures."
    )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if lines := config.stash.get(_LINES, []):
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def long_faults(request: pytest.FixtureRequest) -> bool:
    """Whether every point is to be tried."""
    return bool(request.config.getoption("--long-faults", default=False))


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes a line for the summary; the time that the test took is added."""
    began = time.monotonic()

    def tell(line: str) -> None:
        lines = request.config.stash.setdefault(_LINES, [])
        lines.append(f"{line}, {time.monotonic() - began:.0f} s")

    return tell
