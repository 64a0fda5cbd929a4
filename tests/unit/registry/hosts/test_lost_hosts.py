"""A host whose row was deleted: it stood still for long, or somebody had it forgotten."""

import pytest

from tests.unit.registry.hosts.simulated_hosts import Machine, World
from tests.unit.registry.hosts.state_machine import LOST, Hosts

STEPS_OF_A_BEAT = 4
"""A step for each call of the store and of the page, where nothing has changed."""


@pytest.fixture
def world():
    """Two hosts, which have joined, and an event that both have acknowledged."""
    world = World()
    world.machines += [Machine(world, name, 21) for name in "ab"]
    for machine in world.machines:
        for _ in range(4):
            Hosts.beat(machine)
    change(world)
    for machine in world.machines:
        Hosts.beat(machine)
    finish(world)
    return world


def change(world):
    other = world.machines[1]
    other.processes.append(other.changing())
    other.run(other.processes[0])


def finish(world):
    other = world.machines[1]
    other.run(other.processes[0])
    assert not other.processes


def lose(world):
    world.now += LOST
    world.database.forget_if_lost("a")
    assert "a" not in world.database.hosts


@pytest.mark.parametrize("steps", range(1, STEPS_OF_A_BEAT + 1))
def test_a_host_whose_row_was_deleted_in_a_beat_gets_no_lease_by_that_beat(world, steps):
    lost = world.machines[0]
    for _ in range(steps):
        lost.step(lost.renewing)

    lose(world)

    lost.run(lost.renewing)
    assert lost.is_over()
    for _ in range(3):
        Hosts.beat(lost)
    assert not lost.is_over()
    row = world.database.find("a")
    assert (row.state, row.incarnation) == ("live", lost.page.incarnation)


@pytest.mark.parametrize("steps", range(STEPS_OF_A_BEAT + 1))
def test_it_acknowledges_again_what_it_has_acknowledged(world, steps):
    """Otherwise each change would wait for its lease until there is another event."""
    lost = world.machines[0]
    for _ in range(steps):
        lost.step(lost.renewing)

    lose(world)
    for _ in range(4):
        Hosts.beat(lost)

    assert "a" not in {row.host for row in world.database.unacknowledged(1)}


def test_a_change_waits_for_it_again(world):
    lost, other = world.machines
    lose(world)
    for _ in range(4):
        Hosts.beat(lost)

    change(world)

    assert other.processes
    Hosts.beat(lost)
    finish(world)


def test_a_host_that_goes_on_although_it_was_forgotten_is_not_waited_for_again(world):
    """Otherwise each repeat of an earlier change would wait for its lease."""
    world.database.forget("a")

    Hosts.beat(world.machines[0])

    assert world.database.unacknowledged(1) == []
