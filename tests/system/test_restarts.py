"""Workers are replaced under load, and nobody who predicts notices."""

import os
import signal

from tests.system.load import predicting
from tests.system.real_server import Server, wait_until


def test_sighup_replaces_every_worker_and_loses_nothing(own_server: Server) -> None:
    before = set(own_server.workers())
    with predicting(own_server) as load:
        own_server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: _replaced(own_server, before) == 2, "no new workers came")

    assert load.failed == []
    assert len(load.replies) > 200


def test_a_worker_that_is_told_to_stop_loses_nothing_and_is_replaced(own_server: Server) -> None:
    before = own_server.workers()
    with predicting(own_server) as load:
        os.kill(before[0], signal.SIGTERM)
        wait_until(lambda: _replaced(own_server, set(before)) == 1, "no new worker came")

    assert load.failed == []
    assert before[1] in own_server.workers()


def test_while_every_worker_is_dead_new_connections_wait_for_the_next_one(
    own_server: Server,
) -> None:
    for worker in own_server.workers():
        os.kill(worker, signal.SIGKILL)

    assert own_server.call("GET", "/livez").status_code == 200


def test_a_worker_that_is_killed_before_it_is_up_does_not_end_the_service(
    own_server: Server,
) -> None:
    first = set(own_server.workers())
    os.kill(min(first), signal.SIGKILL)
    wait_until(lambda: _replaced(own_server, first) == 1, "no new worker came")
    os.kill(next(iter(set(own_server.workers()) - first)), signal.SIGKILL)

    wait_until(lambda: len(own_server.workers()) == 2, "no new worker came")
    assert own_server.process.poll() is None
    assert own_server.call("GET", "/livez").status_code == 200


def _replaced(server: Server, before: set[int]) -> int:
    """How many of the workers are new; 0 while there are more or fewer than two."""
    now = set(server.workers())
    return len(now - before) if len(now) == 2 else 0
