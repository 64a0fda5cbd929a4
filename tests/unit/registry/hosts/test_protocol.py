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


def test_a_host_that_was_stopped_and_deleted_joins_before_it_answers_even_if_it_serves_on():
    hosts = Hosts()
    hosts.begin(rates=[20] * 4, more=0)
    stopped = hosts.machine(0)
    assert stopped.serves

    hosts.stop_or_start(0, boots=False, again=False)
    hosts.lose(0, steps=0, beats=0)
    hosts.stop_or_start(0, boots=False, again=True)
    hosts.change_to_the_end((1, 0), failing=0)

    assert stopped.page.valid_until == 0
    hosts.a_request_that_began_now_would_see_every_answered_change()


@pytest.mark.slow
def test_what_was_answered_holds_on_all_hosts_in_many_long_schedules():
    run(250, steps=80)
