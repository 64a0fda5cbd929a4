"""The benches on which faults are injected."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness import Bench, Figures


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
