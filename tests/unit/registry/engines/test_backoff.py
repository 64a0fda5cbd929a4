"""How long to wait after failures, measured with a fake clock."""

import pytest

from registry.engines.backoff import FREE_FAILURES, LONGEST_SECONDS, QUIET_SECONDS, Backoff


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def restarts(clock):
    return Backoff(clock)


def fail(restarts, times):
    for _ in range(times):
        restarts.record_failure()


def test_the_first_failures_cost_no_wait(restarts):
    for _ in range(FREE_FAILURES):
        restarts.record_failure()
        assert restarts.remaining_seconds() == 0


def test_each_further_failure_costs_twice_as_long_up_to_a_limit(restarts):
    fail(restarts, FREE_FAILURES)
    waits = []
    for _ in range(9):
        restarts.record_failure()
        waits.append(restarts.remaining_seconds())

    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_SECONDS, LONGEST_SECONDS, LONGEST_SECONDS]


def test_waiting_ends(restarts, clock):
    fail(restarts, FREE_FAILURES + 3)
    clock.now += 3
    assert restarts.remaining_seconds() == pytest.approx(1)
    clock.now += 1
    assert restarts.remaining_seconds() == 0


def test_failures_of_long_ago_are_forgotten(restarts, clock):
    fail(restarts, FREE_FAILURES + 5)
    clock.now += QUIET_SECONDS
    restarts.record_failure()

    assert restarts.remaining_seconds() == 0


def test_however_many_failures_the_wait_is_a_number(restarts):
    fail(restarts, 5000)

    assert restarts.remaining_seconds() == LONGEST_SECONDS
