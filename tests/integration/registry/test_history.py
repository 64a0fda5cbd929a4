"""Edited, deleted, swapped, forged and truncated events are detected."""

import threading

import pytest
from sqlalchemy import func, select, text

from registry.errors import HistoryBroken
from registry.storage.history import GENESIS, Head, event_hash, record, verify
from registry.storage.tables import EventRow
from tests.factories import add_versions


@pytest.fixture
def eventful(database):
    """A database in which five things have happened."""
    add_versions(database, "house", ["ready"] * 3)
    with database.write() as session:
        record(session, "model_created", actor="ci", model="house")
        for number in (1, 2, 3):
            record(
                session,
                "registered",
                actor="ci",
                model="house",
                to_version=number,
                details={"sha256": "a" * 64, "nested": {"é": [1.5, None]}},
            )
        record(
            session,
            "promoted",
            actor="ann",
            model="house",
            alias="production",
            to_version=3,
            reason="better on the held-out rows",
        )
    return database


def verified(database, anchor=None):
    with database.read() as session:
        return verify(session, anchor)


def test_an_intact_history_verifies_and_returns_its_head(eventful):
    head = verified(eventful)

    assert head.seq == 5
    assert verified(eventful, head) == head
    assert Head.parse(str(head)) == head


def test_an_empty_history_verifies(database):
    assert verified(database) == Head(0, GENESIS)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE history SET actor = 'eve' WHERE seq = 2", "Event 2 was changed"),
        ("UPDATE history SET reason = NULL WHERE seq = 5", "Event 5 was changed"),
        ("UPDATE history SET reason = '' WHERE seq = 1", "Event 1 was changed"),
        ("UPDATE history SET to_version = 2 WHERE seq = 5", "Event 5 was changed"),
        ("UPDATE history SET alias = 'x' WHERE seq = 5", "Event 5 was changed"),
        ("UPDATE history SET type = 'archived' WHERE seq = 3", "Event 3 was changed"),
        ("UPDATE history SET details = '{}' WHERE seq = 3", "Event 3 was changed"),
        ("UPDATE history SET model = NULL WHERE seq = 3", "Event 3 was changed"),
        ("UPDATE history SET at = '2020-01-01 00:00:00' WHERE seq = 3", "Event 3 was changed"),
        ("UPDATE history SET hash = previous_hash WHERE seq = 3", "Event 3 was changed"),
        ("UPDATE history SET previous_hash = hash WHERE seq = 3", "Event 3 does not follow"),
        ("DELETE FROM history WHERE seq = 1", "Event 1 is missing; the next is 2"),
        ("DELETE FROM history WHERE seq = 3", "Event 3 is missing; the next is 4"),
        ("DELETE FROM history WHERE seq = 5", "ends at event 4, but its head is at event 5"),
        ("DELETE FROM history", "ends at event 0"),
        ("UPDATE history SET seq = 9 WHERE seq = 5", "Event 5 is missing; the next is 9"),
        (
            "UPDATE history SET seq = 99 WHERE seq = 2; UPDATE history SET seq = 2 WHERE seq = 3;"
            "UPDATE history SET seq = 3 WHERE seq = 99",
            "Event 2 does not follow event 1",
        ),
        ("UPDATE history_head SET seq = 4", "but its head is at event 4"),
        (f"UPDATE history_head SET hash = '{GENESIS}'", "but its head is at event 5"),
        ("DELETE FROM history_head", "but its head is missing"),
        (
            "DELETE FROM history WHERE seq = 5; UPDATE history_head SET seq = 4",
            "but its head is at event 4",
        ),
    ],
)
def test_damage_is_detected_and_the_first_damaged_event_is_named(eventful, damage, said):
    with eventful.write() as session:
        for statement in damage.split(";"):
            session.execute(text(statement))

    with pytest.raises(HistoryBroken) as broken:
        verified(eventful)
    assert said in broken.value.detail


@pytest.mark.parametrize(
    ("damage", "seq"),
    [
        ("UPDATE history SET actor = 'eve' WHERE seq = 2", 2),
        ("DELETE FROM history WHERE seq = 3", 3),
        ("DELETE FROM history WHERE seq = 5", 5),
        ("UPDATE history_head SET seq = 4", 5),
        (f"UPDATE history_head SET hash = '{GENESIS}'", 5),
        ("DELETE FROM history_head", 6),
    ],
)
def test_the_number_of_the_first_damaged_event_is_known(eventful, damage, seq):
    with eventful.write() as session:
        session.execute(text(damage))

    with pytest.raises(HistoryBroken) as broken:
        verified(eventful)
    assert broken.value.seq == seq


def forge(session, seq, **changes):
    """Change an event and recompute its hash, as somebody who knows the code could."""
    event = session.get(EventRow, seq)
    for name, value in changes.items():
        setattr(event, name, value)
    event.hash = event_hash(event)
    return event


def test_a_forged_event_with_a_matching_hash_breaks_the_next_one(eventful):
    with eventful.write() as session:
        forge(session, 2, actor="eve")

    with pytest.raises(HistoryBroken, match="Event 3 does not follow event 2"):
        verified(eventful)


def test_a_forged_last_event_is_detected_by_the_head(eventful):
    with eventful.write() as session:
        forge(session, 5, actor="eve")

    with pytest.raises(HistoryBroken, match="head is at event 5"):
        verified(eventful)


def test_a_completely_forged_chain_is_detected_by_an_anchor(eventful):
    anchor = verified(eventful)
    with eventful.write() as session:
        last = forge(session, 5, actor="eve")
        session.execute(text("UPDATE history_head SET hash = :hash"), {"hash": last.hash})

    assert verified(eventful) != anchor
    with pytest.raises(HistoryBroken, match="Event 5 is not the one that the anchor names"):
        verified(eventful, anchor)


def test_truncation_with_the_head_is_detected_by_an_anchor(eventful):
    anchor = verified(eventful)
    with eventful.write() as session:
        fourth = session.get(EventRow, 4).hash
        session.execute(text("DELETE FROM history WHERE seq = 5"))
        session.execute(text("UPDATE history_head SET seq = 4, hash = :h"), {"h": fourth})

    assert verified(eventful).seq == 4
    with pytest.raises(HistoryBroken, match="ends at event 4, before the anchor's"):
        verified(eventful, anchor)


def test_an_anchor_stays_valid_while_the_history_grows(eventful):
    anchor = verified(eventful)
    with eventful.write() as session:
        record(session, "archived", actor="ci", model="house", from_version=1)

    assert verified(eventful, anchor).seq == 6


@pytest.mark.parametrize("anchor", ["", "5", "5:abc", ":" + GENESIS, "x:" + GENESIS])
def test_a_malformed_anchor_is_refused(anchor):
    with pytest.raises(ValueError, match="SEQ:HASH"):
        Head.parse(anchor)


def test_verifying_while_others_write_raises_no_false_alarm(eventful):
    done = threading.Event()
    failures = []

    def write():
        try:
            while not done.is_set():
                with eventful.write() as session:
                    record(session, "model_updated", actor="ci", model="house")
        except Exception as error:  # noqa: BLE001 - told to the test below
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(30):
            verified(eventful)
    finally:
        done.set()
        writer.join()
    assert failures == []


def test_rolled_back_events_leave_no_gap(eventful):
    def fail():
        with eventful.write() as session:
            record(session, "archived", actor="ci", model="house", from_version=1)
            raise LookupError

    with pytest.raises(LookupError):
        fail()

    assert verified(eventful).seq == 5
    with eventful.read() as session:
        assert session.scalar(select(func.count()).select_from(EventRow)) == 5
