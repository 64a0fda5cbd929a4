"""What operators should not do to hosts that serve: a host that lives is forgotten, and the wall
clock of one is set."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from benchmarks.service import upload
from benchmarks.swap import Target, constant_model
from tests.faults.moved_clock import MovedClock
from tests.hosts.callers import Predictor
from tests.hosts.hosts import Cluster, cluster, host_name
from tests.hosts.operators import Promoter
from tests.hosts.record import Record, Verdict, judge, report

pytestmark = pytest.mark.slow

LEASE_SECONDS = 4
MODEL = "iris"
VERSIONS = (1, 2, 3)
FAR = 600
"""Seconds. A bucket refuses signatures that are 15 minutes from its own time."""


def upload_all(own: Cluster) -> None:
    target = Target(own.hosts[0].url, own.token, MODEL)
    for number in VERSIONS:
        assert upload(target, MODEL, constant_model(float(number))) == number


def disturbed(own: Cluster, seconds: float, disturb: Callable[[], None]) -> Verdict:
    """Predict on all hosts and move the alias for ``seconds``; ``disturb`` is called repeatedly."""
    promoter = Promoter(own, MODEL, 1, 30.0, versions=VERSIONS)
    promoter.begin()
    predictors = [Predictor(host, 10.0, MODEL, own.token) for host in own.hosts for _ in range(2)]
    threads = [promoter, *predictors]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        disturb()
    for thread in threads:
        thread.end()
    for thread in threads:
        thread.join()
    assert promoter.fault is None
    replies = {
        (host.number, MODEL): [
            reply for one in predictors if one.host is host for reply in one.replies
        ]
        for host in own.hosts
    }
    answers = {MODEL: {number: float(number) for number in VERSIONS}}
    moves = promoter.moves
    return judge(
        Record(replies=replies, answers=answers, moves=moves, outages=[], lease=LEASE_SECONDS)
    )


def test_a_host_that_was_forgotten_while_it_lives_goes_on_and_is_waited_for_again(
    tmp_path: Path,
) -> None:
    settings = {"HOTSWAP_LEASE_SECONDS": str(LEASE_SECONDS)}
    with cluster(tmp_path, hosts=2, workers=2, **settings) as own:
        upload_all(own)
        statuses = set()

        def forget() -> None:
            headers = {"Authorization": f"Bearer {own.token}"}
            url = f"{own.hosts[0].url}/hosts/{host_name(2)}"
            statuses.add(requests.delete(url, headers=headers, timeout=30).status_code)
            time.sleep(0.05)

        # A change that is answered before its next beat may not hold on it: hence the warning.
        verdict = disturbed(own, 10.0, forget)
        assert statuses == {204, 404}
        assert not verdict.torn, report(verdict)
        assert not verdict.unexplained, report(verdict)

        before = own.beats(2)
        while own.beats(2) <= before:
            time.sleep(0.1)
        verdict = disturbed(own, 10.0, lambda: time.sleep(0.1))
        assert verdict.moves > 10
        assert verdict.clean, report(verdict)


def test_nothing_depends_on_the_wall_clock_of_a_host(tmp_path: Path) -> None:
    chance = random.Random(1)
    clock = MovedClock(tmp_path)
    settings = {"HOTSWAP_LEASE_SECONDS": str(LEASE_SECONDS)}
    with cluster(tmp_path / "hosts", hosts=2, workers=2, **settings) as own:
        upload_all(own)
        moved = own.hosts[1]
        moved.stop()
        moved.environment.update(clock.environment)
        moved.start()
        moved.wait_ready()

        def disturb() -> None:
            clock.move(chance.choice((-FAR, -1, 0, 1, FAR)))
            time.sleep(0.5)

        verdict = disturbed(own, 15.0, disturb)
        assert verdict.moves > 10
        assert verdict.clean, report(verdict)

        def cut() -> None:
            moved.wire.refuse()
            for _ in range(3 * LEASE_SECONDS):
                disturb()
            moved.wire.restore()
            time.sleep(LEASE_SECONDS)

        verdict = disturbed(own, 12.0, cut)
        assert verdict.failed or verdict.unexplained  # it did not answer without a lease
        assert not verdict.wrong, report(verdict)
