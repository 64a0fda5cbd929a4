"""Changes of one process are answered when they hold on the other hosts."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.simulated_hosts import SimulatedHost
from registry.hosts.sql_store import SqlHostStore
from registry.live.counter import Counter
from registry.live.sharing import Sharing
from registry.storage.history import record
from tests.processes import wait_for

LEASE_SECONDS = 20


@pytest.fixture
def backend():
    return "postgresql"


@pytest.fixture
def store(database_url):
    store = SqlHostStore(database_url, 2.0)
    yield store
    store.close()


@pytest.fixture
def sharing(database, tmp_path):
    """Of a process whose changes go to ``database``."""
    counter = Counter(tmp_path / "counter")
    sharing = Sharing.build(database, counter, host="one", seconds=LEASE_SECONDS)
    yield sharing
    sharing.changes.close()
    counter.close()


def change(database, *, confirm):
    with database.write(confirm=confirm) as session:
        record(session, "model_updated", actor="ann")


def test_a_change_is_answered_when_the_other_host_has_acknowledged_it(database, store, sharing):
    other = SimulatedHost(store, "two", LEASE_SECONDS)
    other.beat()
    with ThreadPoolExecutor(1) as threads:
        answered = threads.submit(change, database, confirm=True)
        wait_for(lambda: store.head() == 1)
        with pytest.raises(TimeoutError):
            answered.result(timeout=0.5)

        other.beat()

        answered.result(timeout=10)
    assert store.unacknowledged(1) == []


def test_a_change_that_states_nothing_of_what_is_live_waits_for_nobody(database, store, sharing):
    SimulatedHost(store, "two", LEASE_SECONDS).beat()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(change, database, confirm=False).result(timeout=10)

    assert [row.host for row in store.unacknowledged(1)] == ["two"]
