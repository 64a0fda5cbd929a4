"""The counts of the versions that aliases point at, which guards read."""

import os
import shutil
import signal
import threading
from multiprocessing import get_context

import numpy as np
import pytest

from registry.engines.served_version import ServedVersion
from registry.live.pool import LoadedVersion
from registry.signature import Column, Output, Signature
from registry.watching.arm_counts import MOST_ARMS, WorkerArms, read_arms
from registry.watching.counts import BINS, BOUNDS
from registry.watching.named_rows import MOST_SERIES, Row
from registry.watching.predictions import PredictionCounts
from registry.watching.recent_faults import RecentFaults

SIGNATURE = Signature((Column("x", "number"),), Output("y", "number"))
ARM = Row("m", 3, "production")


def loaded(model, number):
    version = ServedVersion(model, number, "onnx", "0" * 64, 1, SIGNATURE, None)
    return LoadedVersion(version, None)


def new_worker(folder):
    return PredictionCounts(folder, lambda key: True)


@pytest.fixture
def workers(tmp_path):
    """Makes workers of one server, whose versions all have an alias."""
    made = []

    def make():
        made.append(new_worker(tmp_path))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


def test_arms_are_counted_over_all_workers_by_outcome_fault_and_time(workers, tmp_path):
    one, two = workers(), workers()
    champion, canary = loaded("m", 3), loaded("m", 4)
    one.answered(champion, "production", 0.001, 1)
    two.answered(champion, "production", 0.001, 7)
    two.answered(champion, "production", 60.0, 1)
    two.answered(canary, "production", BOUNDS[5], 1)
    two.answered(canary, "other", 0.001, 1)
    two.answered(canary, "4", 0.001, 1)
    two.unanswered(("m", 4), "production", "failed", fault=True)
    one.unanswered(("m", 4), "production", "refused", fault=True)
    one.unanswered(("m", 4), "production", "refused")
    one.unanswered(("m", 4), "production", "failed")
    for worker in (one, two):
        worker.flush()

    found = read_arms(tmp_path).of("m", "production")

    assert found.keys() == {3, 4}
    assert (found[3].answered, found[3].times[BINS - 1], found[3].faults) == (3, 1, 0)
    assert found[4].times[5] == found[4].answered == 1
    assert (found[4].refused, found[4].failed, found[4].faults) == (2, 2, 2)
    assert read_arms(tmp_path).of("m", "staging") == {}


def test_nothing_was_counted_in_a_folder_that_does_not_exist(tmp_path):
    assert read_arms(tmp_path / "none").of("m", "production") == {}


def test_arms_are_counted_however_many_versions_have_a_name_in_the_metrics(workers, tmp_path):
    worker = workers()
    for number in range(1, MOST_SERIES + 50):
        worker.answered(loaded(f"model-{number}", 1), "production", 0.001, 1)
    worker.flush()
    assert len(worker.totals().named) < MOST_SERIES

    for number in range(1, MOST_SERIES + 50):
        (arm,) = read_arms(tmp_path).of(f"model-{number}", "production").values()
        assert arm.answered == 1


def test_a_caller_with_a_key_counts_as_one_fault_a_second_over_all_workers(tmp_path):
    now = [1_000.0]
    one, two = (RecentFaults(tmp_path, lambda: now[0]) for _ in range(2))
    other = ARM._replace(version=4)

    assert [worker.is_first(ARM, "anna") for worker in (one, two, one)] == [True, False, False]
    assert two.is_first(ARM, "bert")
    assert two.is_first(other, "anna")
    now[0] = 1_001.0
    assert [worker.is_first(ARM, "anna") for worker in (two, one)] == [True, False]
    one.close()
    two.close()


def test_a_repeated_fault_of_a_caller_is_only_in_the_exact_counts(workers, tmp_path):
    one, two = workers(), workers()
    for worker in (one, two, one):
        worker.unanswered(("m", 3), "production", "failed", fault=True, caller="anna")
    for _ in range(3):
        one.unanswered(("m", 3), "production", "failed", fault=True)
    for worker in (one, two):
        worker.flush()

    arm = read_arms(tmp_path).of("m", "production")[3]

    assert arm.failed == 6
    assert arm.faults in {4, 5}  # two where a second began between them


def test_no_key_is_in_the_files(workers, tmp_path):
    worker = workers()
    worker.unanswered(("m", 3), "production", "failed", fault=True, caller="a-key-of-a-caller")
    worker.flush()

    assert all(b"a-key-of" not in path.read_bytes() for path in tmp_path.iterdir())


def test_a_key_may_have_any_bytes(workers):
    latin, broken = b"\xfc\xff".decode("latin-1"), "\udcff"
    for caller in (latin, broken, ""):
        workers().unanswered(("m", 3), "production", "failed", fault=True, caller=caller)


def count_and_die(folder):
    worker = new_worker(folder)
    worker.answered(loaded("m", 3), "production", 0.001, 1)
    worker.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_counts_of_a_killed_worker_stay_in_the_totals(workers, tmp_path):
    other = workers()
    other.answered(loaded("m", 3), "production", 0.001, 1)
    other.flush()
    killed = get_context("spawn").Process(target=count_and_die, args=(tmp_path,))
    killed.start()
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL

    successor = workers()
    successor.answered(loaded("m", 3), "production", 0.001, 1)
    successor.flush()

    assert read_arms(tmp_path).of("m", "production")[3].answered == 3
    assert len(list(tmp_path.glob("arms-*"))) == 2


def test_readings_while_workers_count_only_grow_and_lose_nothing(workers, tmp_path):
    one, two = workers(), workers()
    version = loaded("m", 3)

    def predict(worker):
        for _ in range(3_000):
            worker.answered(version, "production", 0.001, 1)
            worker.unanswered(("m", 3), "production", "failed", fault=True)
            worker.flush()

    threads = [threading.Thread(target=predict, args=(worker,)) for worker in (one, two)]
    for thread in threads:
        thread.start()
    answered = faults = 0
    while any(thread.is_alive() for thread in threads):
        if now := read_arms(tmp_path).of("m", "production").get(3):
            assert (now.answered >= answered, now.faults >= faults) == (True, True)
            answered, faults = now.answered, now.faults
    last = read_arms(tmp_path).of("m", "production")[3]

    assert (last.answered, last.faults) == (6_000, 6_000)


def test_the_counts_of_the_next_server_are_told_from_those_before(tmp_path):
    readings = []
    for _ in range(2):
        tmp_path.mkdir(exist_ok=True)
        worker = new_worker(tmp_path)
        for _ in range(5):
            worker.answered(loaded("m", 3), "production", 0.001, 1)
        worker.close()
        readings.append(read_arms(tmp_path).of("m", "production")[3])
        shutil.rmtree(tmp_path)

    assert [reading.answered for reading in readings] == [5, 5]
    assert readings[0].began != readings[1].began


@pytest.fixture
def full(tmp_path):
    """A worker that counts as many versions as it can; those in ``live`` have an alias."""
    live = {("m", number) for number in range(1, MOST_ARMS + 1)}
    arms = WorkerArms(tmp_path, lambda key: key in live)
    for _, number in live:
        arms.add_unanswered(Row("m", number, "production"), "failed", fault=True)
    yield arms, live
    arms.close()


def test_a_version_with_an_alias_takes_the_row_of_one_without(full, tmp_path):
    arms, live = full
    new, one = Row("m", MOST_ARMS + 1, "production"), np.eye(1, BINS, dtype=np.uint64)[0]
    live.add(new.key)
    arms.add_times(new, one)
    assert new.version not in read_arms(tmp_path).of("m", "production")

    live.remove(("m", 7))
    arms.add_times(new, one)

    found = read_arms(tmp_path).of("m", "production")
    assert 7 not in found
    assert len(found) == MOST_ARMS
    assert (found[new.version].answered, found[new.version].faults) == (1, 0)


def test_versions_without_an_alias_are_not_counted(tmp_path):
    arms = WorkerArms(tmp_path, lambda key: False)
    arms.add_unanswered(ARM, "failed", fault=True)

    assert read_arms(tmp_path).of("m", "production") == {}
    arms.close()
