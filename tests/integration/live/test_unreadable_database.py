"""A worker while the database cannot be read: it serves from memory, but never stale state."""

import sqlite3
import threading
import time
from contextlib import contextmanager

import pytest
from sqlalchemy.exc import DatabaseError

from registry.errors import DatabaseBusy, DatabaseUnavailable
from registry.live.counter import Counter
from registry.live.observer import Observer
from registry.live.pool import Pool
from registry.live.snapshot import served_version
from registry.live.watch import POLL_SECONDS, Watch
from registry.operations.promote import PromotionRequest, promote
from registry.reading.queries import find_usable_version
from tests.factories import add_versions, ungated
from tests.fakes import Constant, Preparer
from tests.marks import first_fast


class Breakable:
    """The database, until ``fault`` is set: from then on whoever reads it gets that."""

    def __init__(self, database):
        self._database = database
        self.fault = None
        self.seconds = 0.0
        self.failed = 0

    @contextmanager
    def read(self):
        if self.fault is not None:
            time.sleep(self.seconds)
            self.failed += 1
            raise self.fault
        with self._database.read() as session:
            yield session


class LastReport(Observer):
    """Keeps the last report of the poll."""

    last = None

    def polled(self, **figures):
        self.last = figures


class Worker:
    """A worker's serving state on a database that can be broken."""

    def __init__(self, database, folder):
        self.database = Breakable(database)
        self.counter = Counter(folder / "counter")
        self.loading = threading.Event()
        self.may_load = threading.Event()
        self.may_load.set()
        self.pool = Pool(self.load, limit=2**30)
        self.report = LastReport()
        self.watch = Watch(self.database, self.counter, self.pool, find_usable, self.report)

    def load(self, _):
        self.loading.set()
        assert self.may_load.wait(10)
        return Constant()

    def answers(self):
        return self.watch.resolve("house", "production").version.number

    def close(self):
        self.watch.close()
        self.pool.close()
        self.counter.close()


def find_usable(session, model, reference):
    return served_version(find_usable_version(session, model, reference))


@pytest.fixture
def worker(sqlite_database, tmp_path):
    add_versions(sqlite_database, "house", ["ready"] * 3)
    moved(sqlite_database, 1)
    worker = Worker(sqlite_database, tmp_path)
    worker.watch.start()
    assert worker.answers() == 1
    yield worker
    worker.close()


def figures(*, readable):
    return {"readable": readable, "loaded": 1, "missing": 0, "unloadable": set()}


def moved(database, number):
    promote(
        database,
        Preparer(),
        "house",
        str(number),
        PromotionRequest(actor="ann"),
        evaluate_gates=ungated,
    )


def eventually(holds):
    deadline = time.monotonic() + 5 * POLL_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    "fault",
    first_fast(
        [
            DatabaseError("SELECT", {}, sqlite3.DatabaseError("database disk image is malformed")),
            DatabaseBusy(),
            DatabaseUnavailable(),
        ]
    ),
    ids=lambda fault: type(fault).__name__,
)
def test_predictions_continue_from_memory_and_metrics_show_why(worker, fault, caplog):
    worker.database.fault = fault
    eventually(lambda: worker.report.last == figures(readable=False))

    assert worker.answers() == 1
    assert caplog.text.count("the database cannot be read") == 1

    worker.database.fault = None
    eventually(lambda: worker.report.last["readable"])
    assert worker.answers() == 1


def test_after_the_counter_has_changed_stale_state_is_not_used(worker, sqlite_database):
    worker.database.fault = DatabaseBusy()
    moved(sqlite_database, 2)
    worker.counter.bump()

    with pytest.raises(DatabaseBusy):
        worker.answers()

    worker.database.fault = None
    eventually(lambda: answer_or_none(worker) == 2)


def test_details_of_the_database_are_not_revealed_to_callers(worker):
    worker.database.fault = DatabaseError("SELECT", {}, sqlite3.DatabaseError("malformed"))
    worker.counter.bump()

    with pytest.raises(DatabaseUnavailable):
        worker.answers()


def test_concurrent_requests_wait_for_a_locked_database_together(worker):
    worker.database.seconds = 0.3
    worker.database.fault = DatabaseBusy()
    worker.counter.bump()
    refused = []

    def ask():
        with pytest.raises(DatabaseBusy):
            worker.answers()
        refused.append(time.monotonic())

    callers = [threading.Thread(target=ask) for _ in range(16)]
    began = time.monotonic()
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert len(refused) == 16
    assert max(refused) - began < 2.4, "sixteen times 0.3 s is what taking turns would cost"


def test_a_write_after_the_fault_is_seen_by_the_next_request(worker, sqlite_database):
    worker.database.fault = DatabaseBusy()
    eventually(lambda: worker.database.failed)
    worker.database.fault = None
    moved(sqlite_database, 2)
    worker.counter.bump()

    assert worker.answers() == 2


def test_a_version_that_finishes_loading_meanwhile_does_not_affect_others(worker):
    worker.loading.clear()
    worker.may_load.clear()
    waiting = threading.Thread(target=refused_or_answered, args=(worker, "3"))
    waiting.start()
    assert worker.loading.wait(5)
    worker.database.fault = DatabaseBusy()
    worker.may_load.set()
    waiting.join()

    assert worker.answers() == 1
    assert set(worker.pool.loaded) == {("house", 1)}, "nobody could say if 3 is archived by now"
    worker.database.fault = None
    assert worker.watch.resolve("house", "3").version.number == 3


def refused_or_answered(worker, reference):
    with pytest.raises(DatabaseBusy):
        worker.watch.resolve("house", reference)


def answer_or_none(worker):
    try:
        return worker.answers()
    except DatabaseBusy:
        return None
