"""The counts of predictions that the workers of a server share through files."""

import os
import signal
import threading
import time
from multiprocessing import get_context

import pytest

from registry.engines.served_version import ServedVersion
from registry.live.pool import LoadedVersion
from registry.signature import Column, Output, Signature
from registry.watching.counts import BINS, BOUNDS, COLUMNS
from registry.watching.named_rows import MOST_SERIES, OTHER, Row
from registry.watching.predictions import PredictionCounts

SIGNATURE = Signature((Column("x", "number"),), Output("y", "number"))


def loaded(model, number):
    version = ServedVersion(model, number, "onnx", "0" * 64, 1, SIGNATURE, None)
    return LoadedVersion(version, None)


class Worker(PredictionCounts):
    """A worker's counts; the versions in ``live`` have an alias."""

    def __init__(self, folder, live=()):
        super().__init__(folder, lambda key: key in live)


def ok(worker, row):
    totals = worker.totals()
    return int(totals.counts[totals.numbers[row], :BINS].sum())


def others(worker):
    """The predictions that are counted without a name, by column."""
    return worker.totals().counts[OTHER]


@pytest.fixture
def workers(tmp_path):
    """Makes workers of one server."""
    made = []

    def make(live=()):
        made.append(Worker(tmp_path, live))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


def test_predictions_of_all_workers_are_summed_by_version_and_alias(workers):
    one, two = workers(), workers()
    version = loaded("m", 3)
    one.answered(version, "production", 0.001, 1)
    one.answered(version, "3", 0.001, 1)
    two.answered(loaded("m", 3), "production", 0.001, 1)
    two.unanswered(("m", 3), "production", "refused")
    two.unanswered(("m", 3), "production", "failed")

    one.flush()
    two.flush()

    totals = one.totals()
    production = totals.counts[totals.numbers[Row("m", 3, "production")]]
    assert production[:BINS].sum() == 2
    assert (production[COLUMNS["refused"]], production[COLUMNS["failed"]]) == (1, 1)
    assert ok(two, Row("m", 3, "")) == 1


def test_rows_are_summed_and_the_last_prediction_is_the_latest_of_all_workers(workers):
    one, two = workers(), workers()
    began = time.time_ns() // 10**6
    one.answered(loaded("m", 3), "production", 0.001, 1000)
    one.answered(loaded("m", 3), "production", 0.001, 1)
    two.answered(loaded("m", 3), "production", 0.001, 5)
    two.unanswered(("m", 3), "production", "refused")
    one.flush()
    two.flush()

    totals = one.totals()
    production = totals.counts[totals.numbers[Row("m", 3, "production")]]
    assert production[COLUMNS["rows"]] == 1006
    assert began <= production[COLUMNS["last"]] <= time.time_ns() // 10**6


def test_each_worker_counts_in_its_own_file(workers, tmp_path):
    for _ in range(3):
        workers()

    assert len(list(tmp_path.glob("predictions-*-*"))) == 3


def test_a_duration_is_counted_in_the_first_bin_with_a_sufficient_bound(workers):
    worker, version = workers(), loaded("m", 1)
    times = [0.0, *BOUNDS, BOUNDS[-1] * 2]
    for seconds in times:
        worker.answered(version, "1", seconds, 1)
    worker.flush()

    totals = worker.totals()
    row = totals.counts[totals.numbers[Row("m", 1, "")]]
    assert row[:BINS].tolist() == [2, *[1] * (BINS - 1)]
    assert row[COLUMNS["nanoseconds"]] == pytest.approx(sum(times) * 1e9, abs=1)


def test_predictions_of_many_threads_are_counted_exactly_while_they_are_flushed(workers):
    worker, version = workers(), loaded("m", 1)
    threads = [
        threading.Thread(
            target=lambda: [worker.answered(version, f"a{n % 5}", 1e-4, 1) for n in range(5_000)]
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        worker.flush()
    worker.flush()

    assert [ok(worker, Row("m", 1, f"a{n}")) for n in range(5)] == [4_000] * 5


def test_predictions_of_an_evicted_version_are_counted(workers):
    worker, version = workers(), loaded("m", 1)
    worker.answered(version, "1", 0.001, 1)
    del version
    worker.flush()
    worker.answered(loaded("m", 1), "1", 0.001, 1)  # loaded again
    worker.flush()

    assert ok(worker, Row("m", 1, "")) == 2


def count_one_and_die(folder):
    worker = Worker(folder)
    worker.answered(loaded("m", 1), "production", 0.001, 1)
    worker.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_counts_of_a_killed_worker_are_continued(workers, tmp_path):
    other = workers()
    killed = get_context("spawn").Process(target=count_one_and_die, args=(tmp_path,))
    killed.start()
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    files = sorted(tmp_path.iterdir())

    successor = workers()
    successor.answered(loaded("m", 1), "production", 0.001, 1)
    successor.flush()

    assert ok(other, Row("m", 1, "production")) == 2
    assert sorted(tmp_path.iterdir()) == files


def test_unnamed_predictions_are_counted_as_other(workers):
    """At most ``MOST_SERIES`` series: one of each version here, and three of the others."""
    worker = workers()
    for number in range(1, 251):
        worker.answered(loaded("m", number), str(number), 0.001, 1)
    worker.unanswered(("m", 250), "250", "failed")
    worker.flush()

    assert len(worker.totals().named) == MOST_SERIES - 3
    assert others(worker)[:BINS].sum() == 250 - (MOST_SERIES - 3)
    assert others(worker)[COLUMNS["failed"]] == 1


def test_a_live_version_replaces_one_that_is_not_in_the_names(workers):
    """Also in another worker, and without a count that goes backwards."""
    worker, other = workers(), workers(live={("m", 250)})
    first = loaded("m", 1)
    worker.answered(first, "1", 0.001, 1)
    for number in range(1, 250):
        worker.answered(loaded("m", number), str(number), 0.001, 1)
    worker.flush()
    other.answered(loaded("m", 250), "production", 0.001, 1)
    other.flush()
    assert Row("m", 250, "production") in worker.totals().named
    assert Row("m", 1, "") not in worker.totals().named

    worker.answered(first, "1", 0.001, 1)
    before = others(worker)[:BINS].sum()
    worker.flush()

    assert others(worker)[:BINS].sum() == before + 1
    assert ok(worker, Row("m", 1, "")) == 2


def test_a_version_that_is_named_again_continues_its_count(workers):
    live = {("m", 1)}
    worker = workers(live)
    first = loaded("m", 1)
    worker.answered(first, "1", 0.001, 1)
    for number in range(2, 250):
        worker.answered(loaded("m", number), str(number), 0.001, 1)
    worker.flush()
    live.clear()
    live.add(("m", 250))
    worker.answered(loaded("m", 250), "production", 0.001, 1)
    worker.flush()
    assert Row("m", 1, "") not in worker.totals().named

    live.clear()
    live.add(("m", 1))
    worker.answered(first, "1", 0.001, 1)
    worker.flush()

    assert Row("m", 1, "") in worker.totals().named
    assert ok(worker, Row("m", 1, "")) == 2


def test_a_live_version_is_named_when_another_is_no_longer_live(workers):
    live = {("m", number) for number in range(1, MOST_SERIES)}
    worker = workers(live)
    versions = [loaded("m", number) for number in range(1, MOST_SERIES)]
    for version in versions:
        worker.answered(version, "production", 0.001, 1)
    worker.flush()
    assert Row("m", MOST_SERIES - 1, "production") not in worker.totals().named

    live.remove(("m", 1))
    worker.answered(versions[-1], "production", 0.001, 1)
    worker.flush()

    assert Row("m", MOST_SERIES - 1, "production") in worker.totals().named


def test_a_version_is_named_with_all_of_its_outcomes_or_none(workers):
    """Otherwise the share of its predictions that failed would be wrong."""
    worker = workers()
    for number in range(1, MOST_SERIES - 2):
        worker.answered(loaded("m", number), str(number), 0.001, 1)
    worker.unanswered(("m", 5), "5", "failed")
    worker.flush()

    worker.answered(loaded("m", 5), "5", 0.001, 1)
    worker.flush()

    assert Row("m", 5, "") not in worker.totals().named
    assert others(worker)[:BINS].sum() == 1
    assert others(worker)[COLUMNS["failed"]] == 1


def test_an_incomplete_line_is_ignored(workers, tmp_path):
    worker = workers()
    (path,) = tmp_path.glob("*.names")
    with path.open("ab") as names:
        names.write(b'["m",1,"prod')
    worker.answered(loaded("m", 2), "2", 0.001, 1)
    worker.flush()

    assert set(workers().totals().named) == {Row("m", 2, "")}
