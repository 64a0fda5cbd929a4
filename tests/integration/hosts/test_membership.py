"""Workers of one host join the others, renew its lease in turn, and leave."""

import time

import pytest
from sqlalchemy import text

from registry.hosts.sql_store import SqlHostStore
from registry.hosts.store import Presence
from registry.live.counter import Counter
from registry.live.lease import Lease
from registry.live.membership import Membership
from registry.live.sharing import url_of
from registry.storage.history import record
from tests.processes import wait_for

LEASE_SECONDS = 2


@pytest.fixture
def store(database, store):
    """Of a registry in which something has happened."""
    with database.write() as session:
        record(session, "model_created", actor="ann")
    return store


class Loading:
    """Workers that have loaded what is live when ``loaded`` is set."""

    def __init__(self, counter, loaded=True):
        self.counter = counter
        self.loaded = loaded
        self.fault = None

    def announce(self):
        self.counter.bump()

    def prepare(self, asked):
        assert not asked
        if self.fault is not None:
            raise self.fault

    def release(self, preparing):
        assert not preparing

    def are_loaded(self):
        return self.loaded


class Worker:
    """One worker of the host ``one``."""

    def __init__(self, url, run, loaded=True):
        self.counter = Counter(run / "counter")
        self.lease = Lease(self.counter)
        self.workers = Loading(self.counter, loaded)
        self.membership = Membership(
            SqlHostStore(url, 1.0),
            Presence("one", 0, "1.0", 2),
            self.lease,
            run=run,
            seconds=LEASE_SECONDS,
            make_workers=lambda *_: self.workers,
        )
        self.membership.begin()
        self.membership.start()

    def close(self):
        self.membership.close()
        self.counter.close()


def test_a_host_gets_a_lease_when_it_has_loaded_what_is_live(database_url, store, tmp_path):
    worker = Worker(database_url, tmp_path, loaded=False)
    before = worker.counter.value
    wait_for(lambda: store.find("one") is not None)
    first = store.find("one").beat
    wait_for(lambda: store.find("one").beat > first + 1)
    assert store.find("one").state == "joining"
    assert worker.lease.is_over()
    assert worker.counter.value > before

    worker.workers.loaded = True
    wait_for(lambda: not worker.lease.is_over())

    assert store.find("one").state == "live"
    assert 0 < worker.lease.seconds_left() <= 0.9 * LEASE_SECONDS
    worker.close()
    assert store.find("one") is None


def test_another_worker_renews_the_lease_when_the_first_one_ends(database_url, store, tmp_path):
    first = Worker(database_url, tmp_path)
    wait_for(lambda: not first.lease.is_over())
    second = Worker(database_url, tmp_path)
    wait_for(lambda: not second.lease.is_over())
    incarnation = store.find("one").incarnation

    first.close()
    time.sleep(0.5 * LEASE_SECONDS)

    assert not second.lease.is_over()
    wait_for(lambda: store.find("one").incarnation != incarnation)
    assert store.find("one").incarnation == second.lease.incarnation
    second.close()
    assert store.find("one") is None


def test_a_lease_is_renewed_again_after_an_error_that_nobody_expected(
    database_url, store, tmp_path, caplog
):
    worker = Worker(database_url, tmp_path)
    wait_for(lambda: not worker.lease.is_over())

    worker.workers.fault = RuntimeError("can't start new thread")
    wait_for(worker.lease.is_over, 2 * LEASE_SECONDS)
    worker.workers.fault = None

    wait_for(lambda: not worker.lease.is_over())
    assert [one.exc_info is not None for one in caplog.records if one.levelname == "ERROR"] == [
        True
    ]
    worker.close()


def test_a_lease_of_an_earlier_life_of_the_host_is_over(database_url, tmp_path):
    counter = Counter(tmp_path / "counter")
    lease = Lease(counter)
    lease.valid_until = 2**63

    worker = Worker(database_url, tmp_path, loaded=False)

    assert lease.is_over()
    worker.close()
    counter.close()


def test_a_host_whose_name_another_one_took_answers_no_more(database_url, store, tmp_path):
    worker = Worker(database_url, tmp_path)
    wait_for(lambda: not worker.lease.is_over())

    other = Presence("one", 77, "1.0", 2)
    found = store.find("one").incarnation
    store.present(other, "joining", 10**9, replaces=found)

    wait_for(worker.lease.is_over, 2 * LEASE_SECONDS)
    worker.close()
    assert store.find("one").incarnation == 77


def test_a_host_answers_no_more_beside_one_that_is_to_be_the_only_one(
    database, store, tmp_path, caplog
):
    worker = Worker(url_of(database), tmp_path)
    wait_for(lambda: store.find("one") is not None and store.find("one").acknowledged == 1)
    with database.write(announce=False) as session:
        session.execute(
            text(
                "INSERT INTO hosts SELECT 'alone', 0, release, workers, 'alone', 1, 0,"
                " expires + interval '1 hour', 0, seen_at FROM hosts"
            )
        )

    wait_for(lambda: worker.lease.valid_until == 0 and store.find("one") is None)
    assert "Host 'alone' uses the database with HOTSWAP_LEASE_SECONDS=0" in caplog.text
    with database.write(announce=False) as session:
        session.execute(text("DELETE FROM hosts"))

    wait_for(lambda: not worker.lease.is_over())
    worker.close()


def restore(database, store):
    """Lose the last event, as by a restore, and record another one in its place."""
    with database.write(announce=False) as session:
        lost = session.execute(
            text("DELETE FROM history WHERE seq = :seq RETURNING seq, previous_hash"),
            {"seq": store.head()},
        ).one()
        before = {"seq": lost.seq - 1, "hash": lost.previous_hash}
        session.execute(text("UPDATE history_head SET seq = :seq, hash = :hash"), before)
        session.expire_all()
        record(session, "model_archived", actor="bob")


@pytest.mark.parametrize("earlier_row", [False, True])
def test_a_host_joins_again_where_its_last_event_is_not_in_the_history_any_more(
    database, store, tmp_path, caplog, earlier_row
):
    worker = Worker(url_of(database), tmp_path)
    wait_for(lambda: store.find("one") is not None and store.find("one").acknowledged == 1)
    before, counter = store.find("one"), worker.counter.value

    restore(database, store)
    if earlier_row:
        with database.write(announce=False) as session:
            session.execute(text("UPDATE hosts SET incarnation = 5, acked_seq = 0"))
    store.notify()

    wait_for(lambda: "the database was restored" in caplog.text)
    wait_for(lambda: not worker.lease.is_over() and store.find("one").acknowledged == 1, 30)
    assert store.find("one").incarnation not in {before.incarnation, 5}
    assert worker.counter.value > counter
    worker.close()
