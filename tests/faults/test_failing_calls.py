"""A disk that fails during an operation: it is reported, nothing remains, and a retry works."""

import pytest

from tests.faults import scenarios
from tests.faults.conftest import summed_up
from tests.faults.harness import Bench, over
from tests.marks import first_fast

WRITES = {"write", "pwrite64", "ftruncate", "fsync", "fdatasync"}
SAMPLE = 2


def points(bench: Bench, names: list[str]) -> list[tuple[str, int, str]]:
    """Both errors for whatever writes or syncs; for names, the one that is not about room."""
    found = []
    for name in names:
        recorded = bench.record(name)
        for index in recorded.points:
            call = recorded.calls[index]
            if call.name == "flock" or call.paths[0].startswith("pipe:"):
                continue
            errors = ("ENOSPC", "EIO") if call.name in WRITES else ("EIO",)
            found += [(name, index, error) for error in errors]
    return found


@pytest.mark.parametrize("operation", first_fast(scenarios.OPERATIONS))
def test_a_failed_write_is_reported_and_leaves_no_trace(benches, operation, long_faults, tell):
    every = points(benches[0], scenarios.of(operation, every=long_faults))
    wanted = every if long_faults else every[:: len(every) // SAMPLE]

    figures = over(benches, wanted, lambda bench, point: bench.fail_at(*point))

    tell(summed_up(f"failing call: {operation}", figures))
    assert figures.violations == []
    assert figures.happened == figures.points == len(wanted)


@pytest.mark.parametrize("scenario", first_fast(["promote-keyed-wal", "promote-keyed-rollback"]))
def test_a_read_only_sqlite_connection_is_not_reused(bench, scenario):
    """It opens a file so that cannot be written for a moment. Kept in the pool, that connection
    refused writes until the service was started again; closed without a rollback, it kept a lock
    that other connections waited for."""
    calls = bench.record(scenario).calls
    opened = next(i for i, call in enumerate(calls) if call.paths[0].endswith("registry.db"))

    figures = bench.fail_at(scenario, opened, "EACCES")

    assert figures.violations == []
    assert (figures.happened, figures.acknowledged) == (1, 0)
