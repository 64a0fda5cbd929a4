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


def test_the_first_failures_cause_no_delay(backoff):
    for _ in range(FREE_FAILURES):
        backoff.record_failure()
        assert backoff.remaining_seconds() == 0


def test_the_delay_doubles_up_to_a_limit(backoff):
    fail(backoff, FREE_FAILURES)
    waits = []
    for _ in range(9):
        backoff.record_failure()
        waits.append(backoff.remaining_seconds())

    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_SECONDS, LONGEST_SECONDS, LONGEST_SECONDS]


def test_the_delay_ends(backoff, clock):
    fail(backoff, FREE_FAILURES + 3)
    clock.now += 3
    assert backoff.remaining_seconds() == pytest.approx(1)
    clock.now += 1
    assert backoff.remaining_seconds() == 0


def test_old_failures_no_longer_count(backoff, clock):
    fail(backoff, FREE_FAILURES + 5)
    clock.now += QUIET_SECONDS
    backoff.record_failure()

    assert backoff.remaining_seconds() == 0


def test_the_delay_is_finite_after_any_number_of_failures(backoff):
    fail(backoff, 5000)

    assert backoff.remaining_seconds() == LONGEST_SECONDS
