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


def test_no_caller_is_refused_while_the_server_answers(server, clock):
    for _ in range(10):
        clock.now += 0.9
        server.answered()
        assert not refused(server, CONNECTIONS)


def test_no_caller_is_refused_while_connections_are_free(server, clock):
    clock.now += 60

    assert not refused(server, CONNECTIONS - 1)


def test_a_burst_after_an_idle_hour_is_not_a_silence(server, clock):
    clock.now += 3600

    assert not any(refused(server, waiting) for waiting in range(CONNECTIONS + 1))


def test_one_caller_a_second_may_try_once_all_wait(server, clock):
    server.check(0)
    clock.now += 1.1

    assert [refused(server, CONNECTIONS) for _ in range(5)] == [False, True, True, True, True]
    clock.now += 1.1
    assert [refused(server, CONNECTIONS) for _ in range(3)] == [False, True, True]


def test_after_a_time_out_one_caller_a_second_may_try_until_an_answer(server, clock):
    server.gave_up()

    assert [refused(server, 0) for _ in range(3)] == [False, True, True]
    clock.now += 1.1
    assert [refused(server, 0) for _ in range(3)] == [False, True, True]
    server.answered()
    assert not any(refused(server, 0) for _ in range(3))
