"""Changes of one process are answered when they hold on the other hosts."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from benchmarks.simulated_hosts import SimulatedHost
from registry.errors import DatabaseUnavailable, PromotionAbandoned
from registry.hosts.changes import HostChanges
from registry.hosts.driving import complete
from registry.live.counter import Counter
from registry.live.sharing import Sharing
from registry.storage.history import record
from tests.integration.hosts.changing import promoter
from tests.processes import wait_for

LEASE_SECONDS = 20


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


def test_a_committed_change_is_not_reported_as_one_that_changed_nothing(database, store):
    change(database, confirm=False)
    with database.write() as session:
        session.execute(text("LOCK TABLE hosts IN ACCESS EXCLUSIVE MODE"))

        with pytest.raises(DatabaseUnavailable, match="Idempotency-Key"):
            complete(promoter(store).confirm(1))


def pass_a_minute(database):
    """Since every promotion that has begun."""
    with database.write() as session:
        earlier = "UPDATE promotions SET created_at = created_at - interval '61 seconds'"
        session.execute(text(earlier))


def seconds_since_touched(database):
    with database.read() as session:
        age = "SELECT max(extract(epoch FROM clock_timestamp() - created_at)) FROM promotions"
        return session.scalar(text(age))


def test_a_promotion_whose_gates_take_longer_than_a_minute_is_not_abandoned(database, store):
    changes = HostChanges(store, promoter(store), 10.0, touch_seconds=0.02)

    with changes.prepared("iris", 1) as prepared:
        pass_a_minute(database)
        wait_for(lambda: seconds_since_touched(database) < 60)
        other = store.ask("iris", 2, "two", 22)
        with database.write() as session:
            prepared.commit(session)

    with database.read() as session:
        states = session.execute(text("SELECT state FROM promotions ORDER BY id")).scalars().all()
    assert states == ["committed", "preparing"]
    store.fail(other)


def test_a_promotion_of_a_process_that_was_stopped_for_a_minute_changes_nothing(database, store):
    changes = HostChanges(store, promoter(store), 10.0)

    with changes.prepared("iris", 1) as prepared:
        pass_a_minute(database)
        store.ask("iris", 2, "two", 22)
        with pytest.raises(PromotionAbandoned), database.write() as session:
            prepared.commit(session)
