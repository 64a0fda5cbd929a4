"""How long a process that died has to wait, by a clock of our own."""

import pytest

from registry.engines.backoff import FREE, LONGEST_SECONDS, QUIET_SECONDS, Backoff


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


def die(restarts, times):
    for _ in range(times):
        restarts.died()


def test_the_first_deaths_cost_nothing(restarts):
    for _ in range(FREE):
        restarts.died()
        assert restarts.wait() == 0


def test_each_further_death_costs_twice_as_long_up_to_a_limit(restarts):
    die(restarts, FREE)
    waits = []
    for _ in range(9):
        restarts.died()
        waits.append(restarts.wait())

    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_SECONDS, LONGEST_SECONDS, LONGEST_SECONDS]


def test_waiting_ends(restarts, clock):
    die(restarts, FREE + 3)
    clock.now += 3
    assert restarts.wait() == pytest.approx(1)
    clock.now += 1
    assert restarts.wait() == 0


def test_deaths_of_long_ago_are_forgotten(restarts, clock):
    die(restarts, FREE + 5)
    clock.now += QUIET_SECONDS
    restarts.died()

    assert restarts.wait() == 0


def test_however_many_deaths_the_wait_is_a_number(restarts):
    die(restarts, 5000)

    assert restarts.wait() == LONGEST_SECONDS
