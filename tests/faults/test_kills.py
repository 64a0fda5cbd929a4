"""Killed at any system call that changes something, an operation is absent or complete."""

import pytest

from tests.faults import scenarios
from tests.faults.conftest import summed_up
from tests.faults.harness import over
from tests.marks import first_fast

SAMPLE = 2


@pytest.mark.parametrize("operation", first_fast(scenarios.OPERATIONS))
def test_a_kill_at_any_point_leaves_nothing_incomplete(benches, operation, long_faults, tell):
    points = [
        (name, index)
        for name in scenarios.of(operation, every=long_faults)
        for index in benches[0].record(name).points
    ]
    assert len(points) >= (200 if long_faults else SAMPLE)
    wanted = points if long_faults else points[:: len(points) // SAMPLE]

    figures = over(benches, wanted, lambda bench, point: bench.kill_at(*point))

    tell(summed_up(f"kill: {operation}", figures))
    assert figures.violations == []
    assert figures.happened == figures.points == len(wanted)
