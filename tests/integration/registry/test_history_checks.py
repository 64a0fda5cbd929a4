"""The history is verified from time to time: new events every hour, all of them every day."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text, update

from registry.errors import HistoryBroken
from registry.operations.verify_history import EVERY, WHOLE_EVERY, verify_history, verify_if_due
from registry.reading.events import history_head
from registry.storage.history import event_hash, record, verify
from registry.storage.tables import EventRow, HistoryCheckRow, HistoryHeadRow, utc_now


class Pauses:
    """Counts the pauses of a check, and ends it at the last one."""

    def __init__(self, last=None):
        self.count = 0
        self._last = last

    def __call__(self):
        self.count += 1
        return self.count != self._last


def happen(database, count):
    """Add ``count`` events."""
    with database.write() as session:
        for _ in range(count):
            record(session, "token_created", actor="ann", details={"scopes": ["predict"]})


def pass_time(database, passed):
    """As if the checks so far had been this long ago."""
    with database.write() as session:
        check = session.get(HistoryCheckRow, 1)
        check.at -= passed
        if check.whole_at is not None:
            check.whole_at -= passed


def change(database, *statements):
    with database.write() as session:
        for statement in statements:
            session.execute(text(statement))


def rewrite(database, first, actor):
    """Replace the events from ``first`` on by a chain of their own, with its head."""
    with database.write() as session:
        previous = session.get(EventRow, first - 1).hash if first > 1 else "0" * 64
        for event in session.scalars(
            select(EventRow).where(EventRow.seq >= first).order_by(EventRow.seq)
        ):
            event.actor, event.previous_hash = actor, previous
            event.hash = previous = event_hash(event)
        session.execute(update(HistoryHeadRow).values(hash=previous))


def outcome(database):
    with database.read() as session:
        head = history_head(session)
    return head["verified_seq"], head["broken_seq"]


def times(database):
    with database.read() as session:
        head = history_head(session)
    return head["verified_at"], head["fully_verified_at"]


@pytest.fixture
def checked(database):
    """A history of 50 events that was verified just now."""
    happen(database, 50)
    verify_if_due(database, Pauses())
    assert outcome(database) == (50, None)
    return database


def test_the_first_check_reads_all_events_a_few_at_a_time(database):
    happen(database, 50)
    pauses = Pauses()

    verify_if_due(database, pauses)

    assert pauses.count == 2
    assert outcome(database) == (50, None)
    at, whole = times(database)
    assert at == whole


def test_nothing_is_verified_again_within_an_hour(checked):
    before = times(checked)
    happen(checked, 1)

    verify_if_due(checked, Pauses())

    assert (outcome(checked), times(checked)) == ((50, None), before)


def test_after_an_hour_only_what_was_added_is_read(checked):
    happen(checked, 30)
    pass_time(checked, EVERY)
    whole = times(checked)[1]
    pauses = Pauses()

    verify_if_due(checked, pauses)

    assert pauses.count == 1  # of 80 events, 30
    assert outcome(checked) == (80, None)
    assert times(checked)[1] == whole


def test_an_old_event_that_was_changed_is_found_within_a_day(checked):
    change(checked, "UPDATE history SET actor = 'eve' WHERE seq = 7")
    pass_time(checked, EVERY)
    verify_if_due(checked, Pauses())
    assert outcome(checked) == (50, None)

    pass_time(checked, WHOLE_EVERY)
    verify_if_due(checked, Pauses())

    assert outcome(checked) == (6, 7)


def test_a_new_event_that_was_changed_is_found_within_an_hour_and_the_first_one_is_named(checked):
    happen(checked, 5)
    change(checked, "UPDATE history SET actor = 'eve' WHERE seq IN (7, 53)")
    pass_time(checked, EVERY)

    verify_if_due(checked, Pauses())

    assert outcome(checked) == (6, 7)


@pytest.mark.parametrize("added", [0, 3])
def test_a_chain_that_was_replaced_and_fits_by_itself_is_found(checked, added):
    happen(checked, added)
    rewrite(checked, first=40, actor="eve")
    with checked.read() as session:
        assert verify(session).seq == 50 + added
    pass_time(checked, EVERY)

    verify_if_due(checked, Pauses())

    assert outcome(checked) == (49, 50)
    for _ in range(2):  # and is not forgotten
        pass_time(checked, EVERY)
        verify_if_due(checked, Pauses())
        with pytest.raises(HistoryBroken, match="Event 50"):
            verify_history(checked)
        assert outcome(checked) == (49, 50)


def test_events_that_were_cut_off_with_the_head_are_missed(checked):
    with checked.read() as session:
        shorter = session.get(EventRow, 45).hash
    change(
        checked,
        "DELETE FROM history WHERE seq > 45",
        f"UPDATE history_head SET seq = 45, hash = '{shorter}'",
    )
    pass_time(checked, EVERY)

    verify_if_due(checked, Pauses())

    assert outcome(checked) == (45, 46)


def test_a_history_that_was_put_right_is_intact_again(checked):
    change(checked, "UPDATE history SET actor = 'eve' WHERE seq = 50")
    pass_time(checked, WHOLE_EVERY)
    verify_if_due(checked, Pauses())
    assert outcome(checked) == (49, 50)
    change(checked, "UPDATE history SET actor = 'ann' WHERE seq = 50")
    pass_time(checked, EVERY)

    verify_if_due(checked, Pauses())

    assert outcome(checked) == (50, None)


def test_a_check_that_is_ended_leaves_no_outcome(database):
    happen(database, 50)

    verify_if_due(database, Pauses(last=1))

    assert outcome(database) == (None, None)


def test_the_outcome_of_an_earlier_release_is_followed_by_a_whole_check(checked):
    change(checked, "UPDATE history SET actor = 'eve' WHERE seq = 7")
    change(checked, "UPDATE history_checks SET anchor_seq = NULL, anchor_hash = NULL")
    change(checked, "UPDATE history_checks SET whole_at = NULL")
    pass_time(checked, EVERY)

    verify_if_due(checked, Pauses())

    assert outcome(checked) == (6, 7)


def test_a_first_check_waits_for_one_that_began_at_the_same_time(database):
    happen(database, 3)
    with ThreadPoolExecutor(1) as threads:
        with database.write() as session:
            session.add(HistoryCheckRow(id=1, at=utc_now(), seq=0))
            session.flush()
            checking = threads.submit(verify_history, database)
            time.sleep(0.3)
        checking.result(10)

    assert outcome(database) == (3, None)
