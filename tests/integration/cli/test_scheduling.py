"""A busy worker's threads do not interrupt each other; those of a calm one do."""

import os
import subprocess
import sys
import threading

import pytest

from cli.scheduling import BUSY, CALM, Scheduling

OTHER, BATCH = os.SCHED_OTHER, os.SCHED_BATCH


class Process:
    """A process that has run for ``now`` seconds and used ``used`` of processor time."""

    def __init__(self, error: OSError | None = None) -> None:
        self.used = self.now = 0.0
        self.chosen: list[int] = []
        self.error = error
        self.scheduling = Scheduling(lambda: self.used, lambda: self.now, self.choose)

    def choose(self, policy: int) -> None:
        if self.error is not None:
            raise self.error
        self.chosen.append(policy)

    def run(self, seconds: float, share: float) -> int:
        """Use ``share`` of a core for ``seconds``; the policy after the next look."""
        self.now += seconds
        self.used += share * seconds
        self.scheduling.look()
        return self.scheduling.policy


def test_a_worker_that_uses_half_a_core_is_busy() -> None:
    process = Process()

    assert process.run(0.1, BUSY - 0.01) == OTHER
    assert process.run(0.1, BUSY + 0.01) == BATCH
    assert process.chosen == [BATCH]


def test_several_cores_are_busy_too() -> None:
    assert Process().run(0.1, 3.5) == BATCH


def test_a_busy_worker_is_calm_only_when_it_uses_much_less() -> None:
    process = Process()
    process.run(0.1, 1)

    assert process.run(0.1, BUSY - 0.1) == BATCH
    assert process.run(0.1, CALM + 0.01) == BATCH
    assert process.run(0.1, CALM - 0.01) == OTHER
    assert process.chosen == [BATCH, OTHER]


def test_the_share_is_that_since_the_last_look() -> None:
    process = Process()
    process.run(100, 0)

    assert process.run(0.1, 1) == BATCH
    assert process.run(0.1, 0) == OTHER


def test_a_policy_that_is_not_permitted_is_not_noted_as_chosen() -> None:
    process = Process(PermissionError(1, "Operation not permitted"))

    with pytest.raises(PermissionError):
        process.run(0.1, 1)

    assert process.scheduling.policy == OTHER


PROGRAM = """
import os, threading, time
from cli.scheduling import Scheduling

def policies():
    return {os.sched_getscheduler(int(one)) for one in os.listdir("/proc/self/task")}

def seen(policy, work):
    deadline = time.monotonic() + 30
    while policies() != {policy}:
        assert time.monotonic() < deadline, policies()
        work()

threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
Scheduling().follow()
seen(os.SCHED_OTHER, lambda: time.sleep(0.01))
seen(os.SCHED_BATCH, lambda: sum(range(10_000)))
seen(os.SCHED_OTHER, lambda: time.sleep(0.01))
"""


def test_all_threads_of_a_process_follow() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=120)


CHOSEN = """
import os, threading
from cli.scheduling import Scheduling
os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
Scheduling().follow()
assert threading.active_count() == 1
"""


def test_a_policy_that_an_operator_has_chosen_stays() -> None:
    subprocess.run([sys.executable, "-c", CHOSEN], check=True, timeout=120)


STARTED = """
import os
from cli.scheduling import set_policy
from registry.confinement.spawner import Spawner

set_policy(os.SCHED_BATCH)
spawner = Spawner(["registry.confinement.trial"])
assert spawner.missing() is not None
(zygote,) = map(int, open(f"/proc/self/task/{os.getpid()}/children").read().split())
print(os.sched_getscheduler(zygote))
spawner.close()
"""


def test_processes_that_open_models_do_not_inherit_the_policy() -> None:
    started = subprocess.run(
        [sys.executable, "-c", STARTED], capture_output=True, text=True, check=True, timeout=120
    )

    assert int(started.stdout) == OTHER


def test_a_worker_whose_policy_cannot_be_set_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    process = Process(PermissionError(1, "Operation not permitted"))
    before = threading.active_count()
    process.now = 1.0
    process.used = 1.0

    process.scheduling.follow()
    ended = [one for one in threading.enumerate() if one.name == "scheduling"]
    for thread in ended:
        thread.join(30)

    assert threading.active_count() == before
    assert [one.message for one in caplog.records] == [
        "the scheduling policy of this worker's threads cannot be changed: Operation not "
        "permitted; under load it answers fewer requests than it could"
    ]
