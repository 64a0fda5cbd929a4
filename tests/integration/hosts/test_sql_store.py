"""What hosts tell each other through the tables of a real PostgreSQL."""

import time

import pytest
from sqlalchemy import text

from registry.errors import (
    HostNotFound,
    HostReplaced,
    PromotionAbandoned,
    Unavailable,
    VersionNotLoadable,
)
from registry.hosts.host_rows import forget_host, hosts_of
from registry.hosts.listener import Listener
from registry.hosts.sql_store import SqlHostStore, commit_promotion
from registry.hosts.store import Asked, Presence
from registry.operations.stay_alone import note_alone
from registry.storage.history import record
from tests.postgresql import Wire
from tests.processes import wait_for

SECOND = 10**9
DAY = 24 * 60 * 60
ONE = Presence("one", 11, "1.0", 2)
TWO = Presence("two", 22, "1.0", 2)


def join(store, *hosts, lease=10 * SECOND):
    for host in hosts:
        store.present(host, "live", lease)


def age(database, host, seconds):
    """As if the host had been present ``seconds`` earlier."""
    with database.write() as session:
        statement = "UPDATE hosts SET expires = expires - :s * interval '1 second' WHERE host = :h"
        session.execute(text(statement), {"s": seconds, "h": host})


def test_a_host_finds_its_row_again_with_every_beat(store):
    assert store.find("one") is None

    join(store, ONE)
    first = store.find("one")
    join(store, ONE)

    assert (first.incarnation, first.lease, first.state) == (11, 10 * SECOND, "live")
    assert (first.expired, first.acknowledged) == (False, 0)
    assert store.find("one").beat > first.beat


def test_a_host_is_told_with_every_beat_what_its_row_says_that_it_has_acknowledged(store, database):
    join(store, ONE)
    store.acknowledge(ONE, 7)

    assert store.present(ONE, "live", SECOND) == 7
    assert store.present(ONE._replace(incarnation=12), "joining", SECOND, replaces=11) == 0
    with database.write() as session:
        session.execute(text("DELETE FROM hosts"))
    assert store.present(ONE, "live", SECOND) == 0


def test_a_row_of_another_incarnation_is_taken_over_only_where_it_was_found(store, database):
    join(store, ONE)
    store.acknowledge(ONE, 7)
    later = ONE._replace(incarnation=12)

    with pytest.raises(HostReplaced, match="HOTSWAP_HOST_NAME"):
        store.present(later, "joining", SECOND)
    store.present(later, "joining", SECOND, replaces=11)

    assert store.find("one")[:2] == ("one", 12)
    assert store.find("one").acknowledged == 0
    with pytest.raises(HostReplaced):
        store.present(ONE, "live", SECOND)
    store.acknowledge(ONE, 9)
    assert store.find("one").acknowledged == 0
    store.leave(ONE)
    assert store.find("one").incarnation == 12


def test_hosts_that_have_not_acknowledged_an_event_are_waited_for(store, database):
    join(store, ONE, TWO)
    with database.write() as session:
        record(session, "model_created", actor="ann")
    assert store.head() == store.read(ONE, None).last.seq == 1

    store.acknowledge(ONE, 1)

    assert [row.host for row in store.unacknowledged(1)] == ["two"]
    store.acknowledge(TWO, 1)
    assert store.unacknowledged(1) == []


def test_the_row_of_a_host_that_leaves_stays_only_until_it_has_acknowledged_an_event(store):
    join(store, ONE)

    store.leave(ONE)
    assert store.find("one").incarnation == ONE.incarnation
    store.acknowledge(ONE, 1)
    store.leave(ONE)

    assert store.find("one") is None


def test_a_host_has_expired_one_lease_after_its_lease_by_the_database_s_clock(store, database):
    join(store, ONE, TWO)

    age(database, "one", 19)
    age(database, "two", 21)

    assert [row.expired for row in store.unacknowledged(1)] == [False, True]


def test_each_live_host_is_asked_until_it_answers(store):
    join(store, ONE, TWO)
    promotion = store.ask("iris", 3, "one", ONE.incarnation)
    asked = Asked(promotion, "iris", 3)

    assert store.read(ONE, None).asked == ()
    assert store.read(TWO, None).asked == (asked,)
    assert [answer.ready for answer in store.answers(promotion)] == [True, None]
    store.answer(promotion, TWO, None)

    assert [answer.ready for answer in store.answers(promotion)] == [True, True]
    seen = store.read(TWO, None)
    assert (seen.last.seq, seen.asked, seen.preparing) == (0, (), {promotion})
    # What an earlier start of a host has loaded is not loaded now.
    again = TWO._replace(incarnation=23)
    store.present(again, "joining", SECOND, replaces=22)
    assert [answer.ready for answer in store.answers(promotion)] == [True, None]
    assert store.read(again, None).asked == (asked,)


def test_a_promotion_that_was_committed_or_has_failed_is_asked_no_more(store, database):
    join(store, ONE, TWO)
    committed, failed = (store.ask("iris", number, "one", 11) for number in (1, 2))

    with database.write() as session:
        commit_promotion(session, committed)
    store.fail(failed)
    store.fail(committed)
    store.answer(failed, TWO, "It is too large.")

    assert store.read(TWO, None).preparing == frozenset()
    with database.read() as session:
        rows = session.execute(text("SELECT id, state FROM promotions ORDER BY id")).all()
    assert rows == [(committed, "committed"), (failed, "failed")]
    assert [answer.ready for answer in store.answers(failed)] == [True, None]


def test_a_promotion_is_not_committed_where_a_host_has_failed_meanwhile(store, database):
    join(store, ONE, TWO)
    promotion = store.ask("iris", 3, "one", 11)
    store.answer(promotion, TWO, "Its bytes are missing.")

    with (
        pytest.raises(VersionNotLoadable, match="Host 'two': Its bytes are missing"),
        database.write() as session,
    ):
        commit_promotion(session, promotion)
    assert store.answers(promotion)[1].fault == "Its bytes are missing."


def test_a_promotion_of_which_nothing_was_heard_for_a_minute_is_abandoned_by_the_next_one(
    store, database
):
    old = store.ask("iris", 1, "one", 11)
    with database.write() as session:
        earlier = "UPDATE promotions SET created_at = created_at - interval '61 seconds'"
        session.execute(text(earlier))

    new = store.ask("iris", 2, "one", 11)

    assert store.read(TWO, None).preparing == {new}
    with pytest.raises(PromotionAbandoned), database.write() as session:
        commit_promotion(session, old)


def test_promotions_are_forgotten_after_a_day(store, database):
    old = store.ask("iris", 1, "one", 11)
    store.fail(old)
    with database.write() as session:
        session.execute(text("UPDATE promotions SET created_at = created_at - interval '2 days'"))

    new = store.ask("iris", 2, "one", 11)

    with database.read() as session:
        for column, table in (("id", "promotions"), ("promotion", "promotion_hosts")):
            found = session.execute(text(f"SELECT {column} FROM {table}")).scalars().all()
            assert found == [new]


def test_a_forgotten_host_is_not_waited_for(store, database):
    join(store, ONE)

    with database.write() as session:
        forget_host(session, "one")

    assert store.unacknowledged(1) == []
    with pytest.raises(HostNotFound, match="two"), database.write() as session:
        forget_host(session, "two")


def rows(database):
    with database.read() as session:
        return [row.host for row in hosts_of(session)]


def test_rows_are_deleted_a_day_after_nobody_waits_for_them_any_more(store, database):
    join(store, ONE, TWO)
    age(database, "one", DAY + 19)
    age(database, "two", DAY + 21)

    store.forget_lost()

    assert rows(database) == ["one"]


def test_a_promotion_deletes_rows_too(store, database):
    join(store, ONE, TWO)
    age(database, "two", 2 * DAY)

    store.ask("iris", 3, "one", ONE.incarnation)

    assert rows(database) == ["one"]


def test_the_row_of_a_host_that_expected_to_be_alone_stays(store, database):
    note_alone(database, "one", release="1.0", workers=2)
    age(database, "one", 2 * DAY)

    store.forget_lost()

    assert rows(database) == ["one"]


def test_a_host_whose_row_was_deleted_does_not_repeat_its_beats(store, database):
    """One who saw the last of them would take the host to be silent since."""
    beats = []
    for _ in range(3):
        join(store, ONE)
        beats.append(store.find("one").beat)
        with database.write() as session:
            forget_host(session, "one")

    assert len(set(beats)) == 3


def test_a_message_wakes_those_who_listen(store):
    woken = []
    listener = Listener(store, lambda: woken.append(time.monotonic()))
    listener.start()
    wait_for(lambda: woken)  # it listens

    began = time.monotonic()
    store.notify()
    wait_for(lambda: len(woken) == 2)
    listener.close()

    assert woken[1] - began < 0.5


def test_a_call_ends_soon_where_the_database_is_silent(database_url):
    wire = Wire(database_url)
    store = SqlHostStore(wire.url, 1.0)
    join(store, ONE)
    wire.cut()

    began = time.monotonic()
    with pytest.raises(Unavailable):
        store.read(ONE, None)
    assert time.monotonic() - began < 4

    wire.mend()
    wire.close()
    store.close()


def test_hosts_share_no_sqlite_file(tmp_path):
    with pytest.raises(ValueError, match="PostgreSQL"):
        SqlHostStore(f"sqlite:///{tmp_path / 'registry.db'}", 2.0)
