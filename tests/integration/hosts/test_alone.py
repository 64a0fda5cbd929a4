"""A host without a lease and hosts that share the database keep apart."""

import pytest
from sqlalchemy import text

from benchmarks.simulated_hosts import SimulatedHost
from registry.errors import HostNotAlone, HostReplaced
from registry.hosts.driving import complete
from registry.hosts.host_rows import hosts_of
from registry.hosts.store import Presence
from registry.operations.stay_alone import check_no_host_is_alone, note_alone
from registry.storage.history import record


def test_others_do_not_start_beside_a_host_that_expects_to_be_the_only_one(database, store):
    note_alone(database, "one", release="1.0", workers=2)
    note_alone(database, "one", release="1.0", workers=2)  # another worker of it

    check_no_host_is_alone(database, "one")
    with pytest.raises(HostNotAlone, match="'one' uses the database with HOTSWAP_LEASE_SECONDS=0"):
        check_no_host_is_alone(database, "two")
    with pytest.raises(HostNotAlone, match="but 'one' uses the database too"):
        note_alone(database, "two", release="1.0", workers=2)
    with database.read() as session:
        assert [row.host for row in hosts_of(session)] == ["one"]
    assert store.unacknowledged(1) == []


def test_a_host_does_not_begin_to_be_alone_beside_one_with_a_lease(database, store):
    store.present(Presence("one", 1, "1.0", 2), "live", 10**10)
    check_no_host_is_alone(database, "two")

    with pytest.raises(HostNotAlone, match="'one'"):
        note_alone(database, "two", release="1.0", workers=2)


def expire(database):
    """As after a day."""
    with database.write() as session:
        session.execute(text("UPDATE hosts SET expires = expires - interval '1 day'"))


def test_a_host_with_a_lease_that_was_cut_off_makes_way_for_one_that_is_alone_now(database, store):
    with database.write() as session:
        record(session, "model_created", actor="ann")
    two = SimulatedHost(store, "two", 20.0)
    two.beat()
    expire(database)
    note_alone(database, "one", release="1.0", workers=2)

    with pytest.raises(HostNotAlone, match="'one' uses the database with HOTSWAP_LEASE_SECONDS=0"):
        two.beat()
    assert two.page.valid_until == 0
    complete(two.renewer.leave())
    note_alone(database, "one", release="1.0", workers=2)

    with pytest.raises(HostNotAlone):
        SimulatedHost(store, "two", 20.0)
    assert store.find("two") is None
    expire(database)
    two = SimulatedHost(store, "two", 20.0)
    two.beat()
    assert two.page.valid_until > 0


@pytest.fixture
def waits(database):
    """Notes that ``one`` is alone; how long it waited for leases, in seconds."""

    def note():
        waited = []
        note_alone(database, "one", release="1.0", workers=2, wait=waited.append)
        return waited

    return note


def test_a_host_that_had_a_lease_is_alone_when_that_is_over(waits, store):
    store.present(Presence("one", 1, "1.0", 2), "live", 10**10)

    assert waits() == [10.0]
    assert waits() == []
    with pytest.raises(HostReplaced):
        store.present(Presence("one", 1, "1.0", 2), "live", 10**10)


def test_it_waits_again_where_it_was_killed_while_it_waited(database, waits, store):
    store.present(Presence("one", 1, "1.0", 2), "live", 10**10)

    def kill(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        note_alone(database, "one", release="1.0", workers=2, wait=kill)

    assert waits() == [10.0]
    assert waits() == []


def test_it_waits_for_no_lease_that_was_over_long_ago(database, waits, store):
    store.present(Presence("one", 1, "1.0", 2), "live", 10**10)
    with database.write() as session:
        session.execute(text("UPDATE hosts SET expires = expires - interval '21 seconds'"))

    assert waits() == []


def test_the_row_of_a_host_with_a_lease_stays_where_its_name_is_used_beside_others(waits, store):
    for name in ("one", "two"):
        store.present(Presence(name, 1, "1.0", 2), "live", 10**10)

    with pytest.raises(HostNotAlone, match="'two'"):
        waits()

    assert store.find("one").state == "live"
