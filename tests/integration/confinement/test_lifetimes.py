"""Who ends with whom, and what is left behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry.confinement.channel import Deadline, MessageRefused
from registry.confinement.limits import Limits
from registry.confinement.spawner import Spawner, SpawnFailed, missing_defences
from tests.integration.confinement.conftest import ATTEMPTS, begin, reported
from tests.processes import children, is_alive, wait_for, zygotes

_WORKER = f"""
import sys, time
from tests.integration.confinement.conftest import begin
from registry.confinement.spawner import Spawner
spawner = Spawner(["{ATTEMPTS}"])
kept = [begin(spawner, name) for name in ("spin", "sleep")]
print("ready", flush=True)
time.sleep(3600)
"""


@pytest.fixture
def own():
    """A spawner that a test may treat as it likes, and the process id of its zygote."""
    spawner = Spawner([ATTEMPTS])
    before = set(zygotes())
    spawner.missing()
    (zygote,) = set(zygotes()) - before
    yield spawner, zygote
    spawner.close()


def test_confined_processes_end_when_their_worker_is_killed():
    worker = subprocess.Popen([sys.executable, "-c", _WORKER], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"ready\n"
    (zygote,) = children(worker.pid)
    confined = wait_for(lambda: len(children(zygote)) == 2 and children(zygote))

    worker.kill()
    worker.communicate()

    wait_for(lambda: not any(map(is_alive, (zygote, *confined))))


def test_confined_processes_end_when_their_zygote_is_killed(own):
    spawner, zygote = own
    with begin(spawner, "spin_and_ignore_signals") as process:
        confined = wait_for(lambda: children(zygote))
        os.kill(zygote, signal.SIGKILL)
        wait_for(lambda: not any(map(is_alive, confined)))
        assert process.receive(10, Deadline(5)) is None
        with pytest.raises(SpawnFailed, match="has ended"):
            process.ended()


def test_a_zygote_that_was_killed_is_replaced(own):
    spawner, zygote = own
    os.kill(zygote, signal.SIGKILL)
    wait_for(lambda: not is_alive(zygote))

    with begin(spawner, "who") as process:
        assert reported(process)["succeeded"]


def test_a_zygote_whose_worker_ends_while_it_starts_ends_silently():
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs:
        ended = subprocess.run(
            [sys.executable, "-m", "registry.confinement.zygote", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            capture_output=True,
            check=False,
        )

    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize("attempt", ["sleep", "spin", "spin_and_ignore_signals"])
def test_leaving_the_context_manager_ends_the_process(own, attempt):
    spawner, zygote = own
    with begin(spawner, attempt):
        wait_for(lambda: len(children(zygote)) == 1)
    wait_for(lambda: children(zygote) == [])


def test_closing_the_spawner_ends_all_processes(own):
    spawner, zygote = own
    kept = [begin(spawner, "sleep") for _ in range(3)]
    confined = wait_for(lambda: len(children(zygote)) == 3 and children(zygote))

    spawner.close()

    wait_for(lambda: not any(map(is_alive, (zygote, *confined))))
    for process in kept:
        process.close()


def test_a_hundred_processes_leave_nothing_behind(own):
    spawner, zygote = own
    with begin(spawner, "who") as process:
        reported(process)
    wait_for(lambda: children(zygote) == [])

    def held():
        descriptors = Path(f"/proc/{zygote}/fd").iterdir()
        mounts = Path(f"/proc/{zygote}/mounts").read_text().splitlines()
        return len(list(descriptors)), len(mounts)

    before = held()

    for _ in range(100):
        with begin(spawner, "write_into_own_folder") as process:
            assert reported(process)["succeeded"]

    wait_for(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))


def test_several_threads_can_spawn_at_the_same_time(own):
    spawner, _ = own
    users = []

    def spawn():
        for _ in range(5):
            with begin(spawner, "who") as process:
                users.append(reported(process)["result"]["user"])

    threads = [threading.Thread(target=spawn) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(users) == 40


def test_messages_that_are_too_long_or_too_late_are_refused(own):
    spawner, _ = own
    with begin(spawner, "who") as process, pytest.raises(MessageRefused, match="10 are allowed"):
        process.receive(10, Deadline(10))
    with begin(spawner, "sleep") as process:
        with pytest.raises(TimeoutError):
            process.receive(10, Deadline(0.2))
        assert process.ended() == "SIGKILL"


def test_an_unknown_entry_point_is_an_error(own):
    spawner, _ = own
    with pytest.raises(SpawnFailed, match=r"ended before it began \(no answer\)"):
        spawner.spawn("registry.confinement.channel:nothing", Limits())


def test_spawn_returns_once_the_process_runs(own):
    spawner, zygote = own
    os.kill(zygote, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as threads:
        starting = threads.submit(begin, spawner, "who")
        with pytest.raises(TimeoutError):
            starting.result(0.3)
        os.kill(zygote, signal.SIGCONT)
        with starting.result(60) as process:
            assert reported(process)["succeeded"]


def test_a_zygote_that_does_not_start_is_reported():
    spawner = Spawner(["there.is.no.such.module"])

    with pytest.raises(SpawnFailed, match="before it was ready"):
        spawner.missing()


def test_missing_defences_are_reported_in_sentences():
    assert all(line.endswith(".") and len(line) > 40 for line in missing_defences())
