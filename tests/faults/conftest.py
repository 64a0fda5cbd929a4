"""Injected faults: a sample of them in ``make test``, all in ``make test-faults``."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.harness import Bench, Figures

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


@pytest.fixture(scope="session")
def attached(traced: None) -> None:
    """Skips where strace may not be attached to processes that it did not start."""
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    if os.geteuid() and scope.exists() and scope.read_text().strip() != "0":
        pytest.skip(f"only root may attach strace to a server here: {scope} is not 0")


@pytest.fixture(scope="session")
def benches(traced: None, long_faults: bool) -> Iterator[list[Bench]]:
    """One bench for each core where all points are tried."""
    made = [Bench() for _ in range(2 if long_faults else 1)]
    yield made
    for bench in made:
        bench.close()


@pytest.fixture
def bench(benches: list[Bench]) -> Bench:
    return benches[0]


def summed_up(what: str, figures: Figures) -> str:
    """A line of the summary."""
    return (
        f"{what:<28} {figures.points:>5} points, {figures.happened:>5} happened, "
        f"{figures.acknowledged:>4} acknowledged, {len(figures.violations)} violations"
    )
