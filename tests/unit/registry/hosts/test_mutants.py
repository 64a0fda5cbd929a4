"""The random schedules detect each deliberate fault of the protocol."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.registry.hosts.mutants import MUTANTS
from tests.unit.registry.hosts.state_machine import Hosts

EASY = (
    "asks before the commit",
    "counts the lease from its end",
    "forgets beats",
    "ignores missing answers",
    "waits for nobody",
)
"""Those that a few schedules detect."""
BROKEN = r"was answered|cannot load it|had loaded what is live"


def detect(mutant: str) -> None:
    class Mutant(Hosts):
        faults, events = MUTANTS[mutant][0], frozenset(MUTANTS[mutant][1])

    with pytest.raises(AssertionError, match=BROKEN):
        run_state_machine_as_test(
            Mutant,
            settings=settings(
                max_examples=30_000,
                stateful_step_count=25,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )


@pytest.mark.parametrize("mutant", EASY)
def test_the_schedules_detect_a_fault_of_the_protocol(mutant):
    detect(mutant)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", sorted(MUTANTS.keys() - set(EASY)))
def test_many_schedules_detect_each_fault_of_the_protocol(mutant):
    detect(mutant)
