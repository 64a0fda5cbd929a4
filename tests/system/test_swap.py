"""Versions are swapped under load, and nobody who predicts notices."""

import os
import signal
import threading

from benchmarks.swap import Target, constant_model, swap
from benchmarks.swap_record import check
from tests.system.models import upload
from tests.system.real_server import Server, wait_until


def test_not_one_reply_fails_or_is_stale_while_an_alias_goes_to_and_fro(
    hardy_server: Server,
) -> None:
    answers: dict[int, object] = {
        upload(hardy_server, "to-and-fro", constant_model(value))["version"]: value
        for value in (100.0, 200.0, 300.0)
    }

    replies, moves = swap(
        Target(hardy_server.url, hardy_server.token, "to-and-fro"),
        answers,
        moves=60,
        connections=8,
        steady=0.5,
    )
    verdict = check(replies, moves, answers)

    assert verdict.clean, f"{verdict.failed[:3]} {verdict.stale[:3]} {verdict.backwards[:3]}"
    assert verdict.replies > 500
    assert {reply.version for reply in replies} > {1}


def test_a_worker_that_is_killed_takes_only_its_own_connections_with_it(
    hardy_server: Server,
) -> None:
    answers: dict[int, object] = {
        upload(hardy_server, "killed", constant_model(value))["version"]: value
        for value in (100.0, 200.0)
    }
    before = hardy_server.workers()
    threading.Timer(1.0, os.kill, (before[0], signal.SIGKILL)).start()

    replies, moves = swap(
        Target(hardy_server.url, hardy_server.token, "killed"),
        answers,
        moves=40,
        connections=8,
        pause=0.05,
    )

    broken = [reply for reply in replies if reply.status == 0]
    verdict = check([reply for reply in replies if reply.status != 0], moves, answers)
    assert verdict.clean, f"{verdict.failed[:3]} {verdict.stale[:3]} {verdict.backwards[:3]}"
    assert len(broken) <= 8
    wait_until(
        lambda: len(set(hardy_server.workers()) - set(before)) == 1, "no worker came in its place"
    )


def test_a_promotion_waits_for_no_worker_that_is_dead(hardy_server: Server) -> None:
    for value in (100.0, 200.0):
        upload(hardy_server, "dead", constant_model(value))
    victim = hardy_server.workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in hardy_server.workers(), "it lives on")

    promoted = hardy_server.call("POST", "/models/dead/2/promote")

    assert promoted.status_code == 200
    assert promoted.elapsed.total_seconds() < 20, "less than a worker that hangs is given"
