"""What the protocol of hosts promises holds in any schedule."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.registry.hosts.state_machine import Hosts


def run(examples: int, steps: int = 40) -> None:
    run_state_machine_as_test(
        Hosts,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_what_was_answered_holds_on_all_hosts_in_any_schedule():
    run(50)


@pytest.mark.slow
def test_what_was_answered_holds_on_all_hosts_in_many_long_schedules():
    run(250, steps=80)
