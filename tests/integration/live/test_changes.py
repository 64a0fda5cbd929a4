"""A worker reads only what has changed by the history, and then has the complete state."""

from typing import get_args

import pytest
from sqlalchemy import delete, update

from registry.blobs.local import LocalBlobStore
from registry.live import snapshot as snapshot_module
from registry.live.snapshot import (
    MODEL_EVENTS,
    TOKEN_EVENTS,
    UNSERVED_EVENTS,
    changed_snapshot,
    read_changes,
    read_snapshot,
)
from registry.operations.archive_model import archive_model
from registry.operations.archive_version import archive_version
from registry.operations.create_model import create_model
from registry.operations.create_token import create_token
from registry.operations.delete_alias import delete_alias
from registry.operations.promote import PromotionRequest, promote
from registry.operations.register import Metadata, register
from registry.operations.revoke_token import revoke_token
from registry.operations.rollback import rollback
from registry.operations.set_policy import set_policy
from registry.operations.update_version import update_version
from registry.storage.history import EventType, Head, record
from registry.storage.tables import EventRow
from tests.factories import ungated
from tests.fakes import Preparer, QuickInspector


class Registry:
    """The operations on one database, as short calls."""

    def __init__(self, database, blobs):
        self.database = database
        self._blobs = blobs
        self._uploads = 0

    def upload(self, model):
        self._uploads += 1
        with self._blobs.stage(100) as blob:
            blob.write(b"%d" % self._uploads)
            register(
                self.database,
                QuickInspector(),
                model,
                blob,
                Metadata(format="skops"),
                actor="ann",
            )

    def promote(self, model, number, alias="production"):
        order = PromotionRequest(actor="ann", alias=alias)
        promote(self.database, Preparer(), model, str(number), order, evaluate_gates=ungated)

    def rollback(self, model):
        rollback(
            self.database, Preparer(), model, PromotionRequest(actor="ann"), evaluate_gates=ungated
        )

    def archive(self, model, number):
        archive_version(self.database, model, str(number), actor="ann")

    def snapshot(self):
        with self.database.read() as session:
            return read_snapshot(session)

    def changes(self, since):
        with self.database.read() as session:
            return read_changes(session, since)

    def refreshed(self, known):
        with self.database.read() as session:
            return changed_snapshot(session, known, read_changes(session, known.head))


@pytest.fixture
def registry(database, tmp_path):
    return Registry(database, LocalBlobStore(tmp_path / "blobs"))


def test_every_type_of_event_is_known_by_what_it_changes():
    kinds = [MODEL_EVENTS, TOKEN_EVENTS, UNSERVED_EVENTS]

    assert sum(len(kind) for kind in kinds) == len(frozenset().union(*kinds))
    assert frozenset().union(*kinds) == set(get_args(EventType))


def test_reading_changes_gives_the_same_state_as_reading_everything(registry):
    database, token = registry.database, {}
    steps = [
        lambda: create_model(database, "empty", actor="ann"),
        lambda: [registry.upload(name) for name in ("house", "house", "house", "shed")],
        lambda: registry.promote("house", 1),
        lambda: [registry.promote("house", 2), registry.promote("shed", 1)],
        lambda: registry.promote("house", 3, alias="canary"),
        lambda: registry.archive("house", 1),
        lambda: token.update(create_token(database, "ci", ["predict"], actor="ann")),
        lambda: update_version(database, "house", "2", actor="ann", description="better"),
        lambda: set_policy(database, "house", [], actor="ann"),
        lambda: registry.promote("house", 3),
        lambda: registry.rollback("house"),
        lambda: revoke_token(database, token["id"], actor="ann"),
        lambda: delete_alias(database, "house", "canary", actor="ann"),
        lambda: registry.archive("house", 3),
        lambda: archive_model(database, "house", actor="ann"),
        lambda: None,
    ]
    known = first = registry.snapshot()
    seen = []
    for step in steps:
        step()
        known = registry.refreshed(known)
        seen.append(known)
        assert known == registry.snapshot()

    assert registry.refreshed(first) == known, "all changes in one look"
    assert registry.refreshed(seen[3]) == known
    assert known.references == {"shed": {"latest": 1, "production": 1}}


def test_the_previous_version_of_an_alias_stays_live_until_it_is_archived(registry):
    for _ in range(2):
        registry.upload("house")
        registry.promote("house", "latest")
    assert registry.snapshot().live == {("house", 1), ("house", 2)}

    registry.archive("house", 1)

    assert registry.snapshot().live == {("house", 2)}


def _another_history(session, head):
    session.execute(update(EventRow).where(EventRow.seq == head.seq).values(hash="f" * 64))


def _shorter_history(session, head):
    session.execute(delete(EventRow).where(EventRow.seq >= head.seq))


def _missing_event(session, head):
    _add(session, "registered")
    _add(session, "registered")
    session.execute(delete(EventRow).where(EventRow.seq == head.seq + 1))


def _broken_chain(session, head):
    _add(session, "registered")
    session.execute(
        update(EventRow).where(EventRow.seq == head.seq + 1).values(previous_hash="f" * 64)
    )


def _unknown_event(session, head):
    _add(session, "of_a_later_release")


def _token_event_that_names_none(session, head):
    _add(session, "token_created")


def _many_events(session, head):
    for _ in range(snapshot_module.MOST_EVENTS + 1):
        _add(session, "model_updated")


def _add(session, kind):
    record(session, kind, actor="ann", model="house")


@pytest.mark.parametrize(
    "damage",
    [
        _another_history,
        _shorter_history,
        _missing_event,
        _broken_chain,
        _unknown_event,
        _token_event_that_names_none,
        _many_events,
    ],
)
def test_an_unusable_history_causes_a_full_read(registry, damage, monkeypatch):
    monkeypatch.setattr(snapshot_module, "MOST_EVENTS", 3)
    registry.upload("house")
    head = registry.snapshot().head
    with registry.database.write() as session:
        damage(session, head)

    assert registry.changes(head) is None


def test_an_empty_list_of_events_means_that_nothing_has_changed(registry):
    nothing = registry.snapshot()
    assert nothing.head == Head(0, "0" * 64)

    assert registry.refreshed(nothing) == nothing
