"""The tests of this folder detect faulty implementations."""

import pytest

from tests.faults.harness import Bench
from tests.faults.order import faults_of_order
from tests.marks import first_fast

UPLOAD, PROMOTE, SPLIT = "upload-keyed-wal", "promote-keyed-wal", "split-change-wal"


def order(bench: Bench, scenario: str, mutant: str) -> list[str]:
    return faults_of_order(bench.record(scenario, mutant).calls, bench.folder / "work")


def kills(bench: Bench, scenario: str, mutant: str, around: str) -> list[str]:
    """What kills find between the first call on a path with ``around`` in it and the answer."""
    recorded = bench.record(scenario, mutant)
    first = next(i for i in recorded.points if around in recorded.calls[i].paths[0])
    wanted = [i for i in recorded.points if first < i <= recorded.answered]
    found = []
    for index in wanted[:: max(1, len(wanted) // 3)] + wanted[-4:]:
        figures = bench.kill_at(scenario, index, mutant)
        assert figures.happened
        found += figures.violations
    return found


@pytest.mark.slow
def test_storing_a_row_before_its_bytes_is_detected_by_kills_and_by_the_order(bench):
    found = kills(bench, UPLOAD, "row-before-bytes", "registry.db-wal")

    assert any("points at missing bytes" in fault for fault in found)
    assert "a blob's name was not synced before the row that points at it" in order(
        bench, UPLOAD, "row-before-bytes"
    )


@pytest.mark.slow  # test_a_commit_without_fsync_… has both ways to detect it
def test_missing_fsync_of_bytes_is_detected_by_the_order_and_by_power_cuts(bench):
    found = bench.cut_power(UPLOAD, "no-fsync", random_states=0, every=12).violations

    assert any("points at missing bytes" in fault for fault in found)
    assert "a blob got its name before its bytes were synced" in order(bench, UPLOAD, "no-fsync")


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [PROMOTE, SPLIT])
def test_announcing_before_the_commit_is_detected_by_kills_and_by_the_order(bench, scenario):
    found = kills(bench, scenario, "announce-before-commit", "run/counter")

    assert any("announced that was not committed" in fault for fault in found)
    assert "announced before it was committed" in order(bench, scenario, "announce-before-commit")


@pytest.mark.parametrize("scenario", first_fast([PROMOTE, "promote-keyed-rollback"]))
def test_a_commit_without_fsync_is_detected_by_the_order_and_by_power_cuts(bench, scenario):
    found = bench.cut_power(scenario, "commit-without-fsync", random_states=1, every=12).violations

    assert any("acknowledged is not there" in fault for fault in found)
    assert any("was not synced before" in f for f in order(bench, scenario, "commit-without-fsync"))
