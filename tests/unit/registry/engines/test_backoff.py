"""How long to wait after failures, measured with a fake clock."""

import pytest

from registry.engines.backoff import FREE_FAILURES, LONGEST_SECONDS, QUIET_SECONDS, Backoff
from tests.fakes import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def backoff(clock):
    return Backoff(clock)


def fail(backoff, times):
    for _ in range(times):
        backoff.record_failure()


def test_the_first_failures_cost_no_wait(backoff):
    for _ in range(FREE_FAILURES):
        backoff.record_failure()
        assert backoff.remaining_seconds() == 0


def test_each_further_failure_costs_twice_as_long_up_to_a_limit(backoff):
    fail(backoff, FREE_FAILURES)
    waits = []
    for _ in range(9):
        backoff.record_failure()
        waits.append(backoff.remaining_seconds())

    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_SECONDS, LONGEST_SECONDS, LONGEST_SECONDS]


def test_waiting_ends(backoff, clock):
    fail(backoff, FREE_FAILURES + 3)
    clock.now += 3
    assert backoff.remaining_seconds() == pytest.approx(1)
    clock.now += 1
    assert backoff.remaining_seconds() == 0


def test_failures_of_long_ago_are_forgotten(backoff, clock):
    fail(backoff, FREE_FAILURES + 5)
    clock.now += QUIET_SECONDS
    backoff.record_failure()

    assert backoff.remaining_seconds() == 0


def test_however_many_failures_the_wait_is_a_number(backoff):
    fail(backoff, 5000)

    assert backoff.remaining_seconds() == LONGEST_SECONDS
