"""How soon a worker notices changes of the database."""

import logging
import time

import pytest
from sqlalchemy import delete, update

from registry.errors import (
    BlobMissing,
    ModelNotFound,
    ReferenceMalformed,
    Unauthenticated,
    VersionLoading,
    VersionNotFound,
)
from registry.live.pool import Pool
from registry.live.watch import POLL_SECONDS, Watch
from registry.operations.archive_version import archive_version
from registry.operations.create_token import create_token
from registry.operations.promote import PromotionRequest, promote
from registry.operations.revoke_token import revoke_token
from registry.storage.history import record
from registry.storage.tables import EventRow, HistoryHeadRow, VersionRow
from tests.factories import add_versions, ungated
from tests.fakes import Constant, Preparer
from tests.integration.live.workers import Worker, eventually, find_usable


@pytest.fixture
def worker(database, tmp_path):
    worker = Worker(database, tmp_path / "counter")
    yield worker
    worker.close()


def moved(database, number, model="house"):
    promote(
        database,
        Preparer(),
        model,
        str(number),
        PromotionRequest(actor="ann"),
        evaluate_gates=ungated,
    )


OTHER_BYTES = "c" * 64


def replace_database(database, other, without=()):
    """As if a database were put in its place that had as many events, and in which version
    ``other`` of the model has other bytes and those of ``without`` are not there."""
    with database.write() as session:
        for number in without:
            session.execute(delete(VersionRow).where(VersionRow.number == number))
        session.execute(
            update(VersionRow).where(VersionRow.number == other).values(sha256=OTHER_BYTES)
        )
        head = session.get(HistoryHeadRow, 1)
        head.hash = "f" * 64
        session.execute(update(EventRow).where(EventRow.seq == head.seq).values(hash=head.hash))


def test_a_moved_alias_is_seen_by_the_first_request_after_the_counter_changed(database, worker):
    add_versions(database, "house", ["ready"] * 2)
    moved(database, 1)
    assert worker.watch.resolve("house", "production").version.number == 1

    moved(database, 2)
    worker.counter.bump()

    assert worker.watch.resolve("house", "production").version.number == 2


def test_an_unchanged_counter_causes_no_read_of_the_database(database, worker):
    add_versions(database, "house", ["ready"] * 1)
    moved(database, 1)
    worker.watch.resolve("house", "production")
    database.dispose()
    database.read = None  # whoever opens a session now fails

    assert worker.watch.resolve("house", "production").version.number == 1
    assert worker.watch.resolve("house", "1").version.number == 1
    assert worker.watch.resolve("house", "latest").version.number == 1


def test_an_unannounced_move_is_found_by_the_poll(database, worker):
    add_versions(database, "house", ["ready"] * 2)
    moved(database, 1)
    worker.watch.start()
    assert worker.watch.resolve("house", "production").version.number == 1

    moved(database, 2)  # and the process that did it died before it could say so

    deadline = time.monotonic() + 5 * POLL_SECONDS
    while worker.watch.resolve("house", "production").version.number == 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_start_loads_live_and_previously_live_versions(database, worker):
    add_versions(database, "house", ["ready"] * 4)
    for number in (1, 2, 3):
        moved(database, number)

    worker.watch.start()

    deadline = time.monotonic() + 5
    while set(worker.loads) != {2, 3}:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_worker_is_ready_when_every_live_version_is_loaded(database, worker):
    add_versions(database, "house", ["ready"] * 1)
    assert worker.watch.missing() == []
    moved(database, 1)
    worker.counter.bump()

    deadline = time.monotonic() + 5
    while worker.watch.missing():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert set(worker.pool.loaded) == {("house", 1)}


def test_a_worker_is_ready_without_versions_that_cannot_be_loaded_and_lists_them(database, worker):
    add_versions(database, "house", ["ready"] * 1)
    add_versions(database, "shed", ["ready"] * 2)
    for model in ("house", "shed"):
        moved(database, 1, model)
    worker.missing.add(("shed", 1))
    worker.may_load.clear()
    worker.counter.bump()

    assert worker.watch.missing() == [("house", 1), ("shed", 1)], "neither has been tried"
    worker.may_load.set()
    eventually(lambda: not worker.watch.missing())
    assert {key: type(error) for key, error in worker.watch.unloadable().items()} == {
        ("shed", 1): BlobMissing
    }
    assert worker.watch.resolve("house", "production").version.number == 1
    with pytest.raises(BlobMissing):
        worker.watch.resolve("shed", "production")


def test_a_version_is_loaded_once_its_bytes_are_restored(database, worker):
    add_versions(database, "shed")
    moved(database, 1, "shed")
    worker.missing.add(("shed", 1))
    worker.watch.start()
    eventually(worker.watch.unloadable)

    worker.missing.clear()

    eventually(lambda: ("shed", 1) in worker.pool.loaded)
    assert worker.watch.unloadable() == {}


def test_an_unloadable_version_that_is_no_longer_live_is_not_listed(database, worker):
    add_versions(database, "shed", ["ready"] * 2)
    moved(database, 1, "shed")
    worker.missing.add(("shed", 1))
    worker.counter.bump()
    eventually(worker.watch.unloadable)

    moved(database, 2, "shed")
    worker.counter.bump()

    eventually(lambda: not worker.watch.missing())
    assert worker.watch.unloadable() == {}


@pytest.mark.parametrize("event", ["registered", "upload_reused"])
def test_an_upload_retries_versions_that_could_not_be_loaded(database, worker, event):
    add_versions(database, "shed")
    worker.stopped_at = 0.0  # the time for another try never comes
    worker.missing.add(("shed", 1))
    worker.counter.bump()
    for _ in range(9):
        with pytest.raises(BlobMissing):
            worker.watch.resolve("shed", "1")
    worker.missing.clear()
    with pytest.raises(BlobMissing):
        worker.watch.resolve("shed", "1")

    with database.write() as session:
        record(session, event, actor="ann", model="shed", to_version=1)
    worker.counter.bump()

    assert worker.watch.resolve("shed", "1").version.number == 1


def test_versions_of_a_replaced_database_no_longer_answer(database, worker):
    add_versions(database, "house", ["ready"] * 4)
    moved(database, 1)
    for number in (1, 2, 3, 4):
        worker.watch.resolve("house", str(number))

    replace_database(database, other=2, without=[3])
    worker.counter.bump()

    assert worker.watch.resolve("house", "2").version.sha256 == OTHER_BYTES
    with pytest.raises(VersionNotFound):
        worker.watch.resolve("house", "3")
    for reference in ("production", "1", "4"):
        worker.watch.resolve("house", reference)
    assert worker.loads == [1, 2, 3, 4, 2], "what is the same in both is not loaded again"


def test_a_replaced_database_is_found_by_the_poll(database, worker):
    add_versions(database, "house", ["ready"] * 2)
    moved(database, 2)
    worker.watch.start()
    eventually(lambda: ("house", 2) in worker.pool.loaded)

    replace_database(database, other=2)

    eventually(lambda: worker.watch.resolve("house", "2").version.sha256 == OTHER_BYTES)


def test_a_version_replaced_while_it_is_loaded_never_answers(database, worker):
    add_versions(database, "house", ["ready"] * 2)
    moved(database, 1)
    worker.watch.resolve("house", "1")
    worker.may_load.clear()
    with database.read() as session:
        loading = worker.pool.preload(find_usable(session, "house", "2"))

    replace_database(database, other=2)
    worker.counter.bump()
    worker.watch.snapshot()
    worker.may_load.set()

    with pytest.raises(VersionLoading):
        loading.result(10)
    assert worker.watch.resolve("house", "2").version.sha256 == OTHER_BYTES


def test_an_archived_version_is_unloaded(database, worker):
    add_versions(database, "house", ["ready"] * 2)
    worker.counter.bump()
    worker.watch.resolve("house", "1")

    archive_version(database, "house", "1", actor="ann")
    worker.counter.bump()

    with pytest.raises(VersionNotFound):
        worker.watch.resolve("house", "1")
    assert ("house", 1) not in worker.pool.loaded


def test_an_archived_previous_version_is_not_loaded(database, worker, caplog):
    add_versions(database, "house", ["ready"] * 3)
    for number in (1, 2):
        moved(database, number)
    archive_version(database, "house", "1", actor="ann")
    worker.counter.bump()
    worker.watch.snapshot()

    moved(database, 3)
    worker.counter.bump()
    worker.watch.resolve("house", "production")

    assert 1 not in worker.loads
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


def test_a_prepared_version_stays_loaded_until_its_alias_has_moved(database, tmp_path):
    add_versions(database, "house", ["ready"] * 9, size=100)
    worker = Worker(database, tmp_path / "tight-counter", limit=150)
    worker.watch.snapshot()

    with worker.watch.prepared("house", 1):
        for number in range(2, 6):
            worker.watch.resolve("house", str(number))
        assert ("house", 1) in worker.pool.loaded
        moved(database, 1)
        worker.counter.bump()
    for number in range(6, 10):
        worker.watch.resolve("house", str(number))

    assert ("house", 1) in worker.pool.loaded
    assert worker.loads.count(1) == 1
    worker.close()


@pytest.mark.parametrize(
    "reference", ["\N{ARABIC-INDIC DIGIT ONE}", "1\N{SUPERSCRIPT TWO}", "01", "+1"]
)
def test_version_numbers_must_be_ascii_digits(database, worker, reference):
    add_versions(database, "house", ["ready"] * 2)
    worker.watch.resolve("house", "1")

    with pytest.raises(ReferenceMalformed):
        worker.watch.resolve("house", reference)


def test_a_revoked_token_is_refused_as_soon_as_the_counter_moved(database, worker):
    made = create_token(database, "ci", ["predict"], actor="ann")
    worker.counter.bump()
    assert worker.watch.grant(made["token"]).name == "ci"

    revoke_token(database, made["id"], actor="ann")
    worker.counter.bump()

    with pytest.raises(Unauthenticated):
        worker.watch.grant(made["token"])


def test_unknown_names_leave_no_trace_in_memory(database, worker):
    add_versions(database, "house", ["ready"] * 1)
    worker.counter.bump()
    worker.watch.snapshot()
    known = worker.watch.snapshot()

    for number in range(500):
        with pytest.raises(ModelNotFound):
            worker.watch.resolve(f"nobody-{number}", "production")

    assert worker.watch.snapshot() is known
    assert not worker.pool.loaded


def test_loading_a_version_holds_no_database_connection(database, worker):
    add_versions(database, "house", ["ready"] * 1)
    in_use = []

    def load(version):
        in_use.append(database.engine.pool.checkedout())
        return Constant(version.number)

    pool = Pool(load, limit=2**30)
    Watch(database, worker.counter, pool, find_usable).resolve("house", "1")

    assert in_use == [0]
    pool.close()


def test_a_version_archived_while_it_is_loaded_never_answers(database, tmp_path):
    add_versions(database, "house", ["ready"])
    worker = Worker(database, tmp_path / "slow-counter")

    def load_while_it_is_archived(version):
        archive_version(database, "house", "1", actor="ann")
        worker.counter.bump()
        worker.watch.snapshot()
        return Constant(version.number)

    worker.pool.close()
    worker.pool = Pool(load_while_it_is_archived, limit=2**30)
    worker.watch = Watch(database, worker.counter, worker.pool, find_usable)

    for _ in range(2):
        with pytest.raises(VersionNotFound):
            worker.watch.resolve("house", "1")
    worker.close()
