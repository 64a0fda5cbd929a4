"""Workers are replaced under load, and nobody who predicts notices."""

import os
import signal

from tests.system.load import predicting
from tests.system.real_server import Server, wait_until


def test_sighup_replaces_every_worker_and_loses_nothing(hardy_server: Server) -> None:
    before = set(hardy_server.workers())
    with predicting(hardy_server) as load:
        hardy_server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: _replaced(hardy_server, before) == 2, "no new workers came")

    assert load.failed == []
    assert len(load.replies) > 200


def test_a_worker_that_is_told_to_stop_loses_nothing_and_is_replaced(hardy_server: Server) -> None:
    before = hardy_server.workers()
    with predicting(hardy_server) as load:
        os.kill(before[0], signal.SIGTERM)
        wait_until(lambda: _replaced(hardy_server, set(before)) == 1, "no new worker came")

    assert load.failed == []
    assert before[1] in hardy_server.workers()


def test_while_every_worker_is_dead_new_connections_wait_for_the_next_one(
    hardy_server: Server,
) -> None:
    for worker in hardy_server.workers():
        os.kill(worker, signal.SIGKILL)

    assert hardy_server.call("GET", "/livez").status_code == 200


def test_a_worker_that_is_killed_before_it_is_up_does_not_end_the_service(
    hardy_server: Server,
) -> None:
    first = set(hardy_server.workers())
    os.kill(min(first), signal.SIGKILL)
    wait_until(lambda: _replaced(hardy_server, first) == 1, "no new worker came")
    os.kill(next(iter(set(hardy_server.workers()) - first)), signal.SIGKILL)

    wait_until(lambda: len(hardy_server.workers()) == 2, "no new worker came")
    assert hardy_server.process.poll() is None
    assert hardy_server.call("GET", "/livez").status_code == 200


def _replaced(server: Server, before: set[int]) -> int:
    """How many of the workers are new; 0 while there are more or fewer than two."""
    now = set(server.workers())
    return len(now - before) if len(now) == 2 else 0
