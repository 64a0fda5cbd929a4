"""A host without a lease and hosts that share the database keep apart."""

import pytest

from registry.errors import HostNotAlone
from registry.hosts.sql_store import SqlHostStore
from registry.hosts.store import Presence
from registry.operations.stay_alone import check_no_host_is_alone, note_alone


@pytest.fixture
def backend():
    return "postgresql"


@pytest.fixture
def store(database_url):
    store = SqlHostStore(database_url, 2.0)
    yield store
    store.close()


def test_others_do_not_start_beside_a_host_that_expects_to_be_the_only_one(database, store):
    note_alone(database, "one", release="1.0", workers=2)
    note_alone(database, "one", release="1.0", workers=2)  # another worker of it

    check_no_host_is_alone(database, "one")
    with pytest.raises(HostNotAlone, match="'one' uses the database with HOTSWAP_LEASE_SECONDS=0"):
        check_no_host_is_alone(database, "two")
    with pytest.raises(HostNotAlone, match="but 'one' uses the database too"):
        note_alone(database, "two", release="1.0", workers=2)
    assert [host.host for host in store.hosts()] == ["one"]
    assert store.unacknowledged(1) == []


def test_a_host_does_not_begin_to_be_alone_beside_one_with_a_lease(database, store):
    store.present(Presence("one", 1, "1.0", 2), "live", 10**10)
    check_no_host_is_alone(database, "two")

    with pytest.raises(HostNotAlone, match="'one'"):
        note_alone(database, "two", release="1.0", workers=2)
