"""When callers of a PostgreSQL server that does not answer are refused instead of kept waiting."""

import pytest

from registry.errors import DatabaseUnavailable
from registry.storage.postgresql import CONNECTIONS, Server
from tests.fakes import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(clock):
    return Server(clock)


def refused(server, waiting):
    try:
        server.check(waiting)
    except DatabaseUnavailable:
        return True
    return False


def test_nobody_is_refused_while_answers_come(server, clock):
    for _ in range(10):
        clock.now += 0.9
        server.answered()
        assert not refused(server, CONNECTIONS)


def test_nobody_is_refused_while_connections_are_left(server, clock):
    clock.now += 60

    assert not refused(server, CONNECTIONS - 1)


def test_a_rush_after_a_quiet_hour_is_no_silence(server, clock):
    clock.now += 3600

    assert not any(refused(server, waiting) for waiting in range(CONNECTIONS + 1))


def test_once_all_wait_for_a_second_one_caller_a_second_is_let_through(server, clock):
    server.check(0)
    clock.now += 1.1

    assert [refused(server, CONNECTIONS) for _ in range(5)] == [False, True, True, True, True]
    clock.now += 1.1
    assert [refused(server, CONNECTIONS) for _ in range(3)] == [False, True, True]


def test_after_a_wait_in_vain_one_caller_a_second_is_let_through_until_an_answer(server, clock):
    server.gave_up()

    assert [refused(server, 0) for _ in range(3)] == [False, True, True]
    clock.now += 1.1
    assert [refused(server, 0) for _ in range(3)] == [False, True, True]
    server.answered()
    assert not any(refused(server, 0) for _ in range(3))
