"""After a power cut an operation is absent or complete, too."""

import pytest

from tests.faults import scenarios
from tests.faults.conftest import summed_up
from tests.faults.harness import over
from tests.faults.order import faults_of_order
from tests.marks import first_fast

QUICK = ["upload-first-wal", "promote-keyed-wal"]


@pytest.mark.parametrize(
    "operation", first_fast(one for one in scenarios.OPERATIONS if one != "collect")
)
def test_bytes_are_durable_before_the_row_and_the_row_before_the_answer(
    bench, operation, long_faults
):
    for name in scenarios.of(operation, every=long_faults):
        assert faults_of_order(bench.record(name).calls, bench.folder / "work") == []


@pytest.mark.slow  # the journal's test cuts the power too
def test_a_power_cut_at_any_point_leaves_nothing_incomplete(benches, long_faults, tell):
    names = list(scenarios.SCENARIOS) if long_faults else QUICK
    random_states, every = (1, 1) if long_faults else (1, 8)

    figures = over(
        benches,
        names,
        lambda bench, name: bench.cut_power(name, random_states=random_states, every=every),
    )

    tell(summed_up("power cut: all operations", figures))
    assert figures.violations == []
    assert figures.acknowledged > 0


def test_an_acknowledged_promotion_is_not_undone_by_a_restored_journal(bench):
    """A rollback journal commits by its removal; that has to be on the disk before the answer."""
    figures = bench.cut_power("promote-keyed-rollback", random_states=0, every=10)

    assert figures.violations == []
