"""Version numbers, and what an upload stores."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from registry.blobs.local import LocalBlobStore
from registry.errors import (
    ArtifactRefused,
    IdempotencyKeyReused,
    ModelArchived,
    NameMalformed,
    NameTaken,
    VersionNumberTaken,
)
from registry.operations.archive_model import archive_model
from registry.operations.archive_version import archive_version
from registry.operations.create_model import create_model
from registry.operations.register import Metadata, register
from registry.reading.pages import Paging
from registry.reading.queries import list_history, list_versions
from registry.storage.history import verify
from registry.storage.idempotency import KEPT, Idempotency
from registry.storage.tables import IdempotencyKeyRow, ModelRow, VersionRow, utc_now
from tests.factories import add_token
from tests.fakes import QuickInspector

SKOPS = Metadata(format="skops")


@pytest.fixture
def blobs(tmp_path):
    return LocalBlobStore(tmp_path / "blobs")


@pytest.fixture
def upload(database, blobs):
    """Registers ``content`` under ``model`` as the view does."""

    def upload(model="house", content=b"bytes", metadata=SKOPS, key=None, inspector=None):
        with blobs.stage(10**6) as blob:
            blob.write(content)
            request = None
            if key is not None:
                request = Idempotency(*key, metadata.fingerprint(model, blob.digest))
            return register(
                database,
                inspector or QuickInspector(),
                model,
                blob,
                metadata,
                actor="ci",
                idempotency=request,
            )

    return upload


def count(database, table):
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table))


def test_a_version_has_declared_and_inspected_values(upload, blobs):
    said = Metadata(
        format="skops",
        metrics={"rmse": 2.5, "mae": 0.1 + 0.2},
        tags={"team": "x"},
        input_example={"length": 1.0, "width": 2.0},
        description="first",
        lineage={"seed": 0},
        environment={"python": "3.11", "scikit-learn": "said"},
    )
    view = upload(metadata=said).view

    assert view["version"] == 1
    assert view["metrics"] == {"mae": 0.1 + 0.2, "rmse": 2.5}
    assert view["params"] == {"fit_intercept": True}
    assert view["environment"] == {"python": "3.11", "scikit-learn": "1.9"}
    assert (view["tags"], view["description"]) == ({"team": "x"}, "first")
    assert (view["status"], view["aliases"]) == ("ready", [])
    with blobs.open(view["artifact"]["sha256"]) as file:
        assert file.read() == b"bytes"


def test_concurrent_uploads_to_a_new_name_get_distinct_numbers(database, upload):
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda n: upload(content=b"%d" % n), range(24)))

    assert sorted(outcome.view["version"] for outcome in outcomes) == list(range(1, 25))
    with database.read() as session:
        assert session.get(ModelRow, "house").last_number == 24
        assert verify(session).seq == 25  # one model, 24 versions


def test_concurrent_uploads_in_two_spellings_create_one_model(database, upload):
    def attempt(name):
        try:
            return upload(name).view["model"]
        except NameTaken:
            return None

    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(attempt, ["house", "House", "HOUSE", "hOuse"] * 2)) - {None}

    assert len(made) == 1
    assert count(database, ModelRow) == 1


def test_numbers_are_never_reused(database, upload):
    upload()
    upload()
    archive_version(database, "house", "2", actor="ci")

    assert upload().view["version"] == 3


def test_a_version_can_be_given_a_larger_number(database, upload):
    def numbered(number, content=b"bytes"):
        return upload(metadata=replace(SKOPS, version=number), content=content).view["version"]

    assert [numbered(3), upload().view["version"], numbered(9)] == [3, 4, 9]
    for taken in (1, 4, 9):
        with pytest.raises(VersionNumberTaken, match="up to 9"):
            numbered(taken)
    with database.read() as session:
        page = list_versions(session, "house", Paging(1, 50))
    assert ([view["version"] for view in page["items"]], page["total"]) == ([9, 4, 3], 3)


def test_one_of_two_uploads_with_the_same_number_is_refused(upload):
    def attempt(content):
        try:
            return upload(metadata=replace(SKOPS, version=5), content=content).view["version"]
        except VersionNumberTaken:
            return None

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(attempt, [b"a", b"b", b"c", b"d"]))
    assert sorted(found, key=bool) == [None, None, None, 5]


def test_equal_bytes_make_another_version(upload):
    assert [upload().view["version"] for _ in range(2)] == [1, 2]


def test_a_refused_artifact_leaves_no_model_no_number_and_no_bytes(database, upload, blobs):
    class Strict(QuickInspector):
        def inspect(self, *_):
            raise ArtifactRefused("No.")

    with pytest.raises(ArtifactRefused):
        upload(inspector=Strict())
    with pytest.raises(ArtifactRefused, match="empty"):
        upload(content=b"")
    with pytest.raises(NameMalformed):
        upload("../house")

    assert count(database, ModelRow) == 0
    assert [path for path in blobs.root.rglob("*") if path.is_file()] == []
    assert upload().view["version"] == 1


def test_an_archived_model_accepts_no_versions_and_keeps_its_name(database, upload):
    upload()
    archive_model(database, "house", actor="ci")
    inspector = QuickInspector()

    with pytest.raises(ModelArchived):
        upload(inspector=inspector)
    with pytest.raises(NameTaken, match="'house'"):
        upload("House", inspector=inspector)
    with pytest.raises(ModelArchived):
        create_model(database, "house", actor="ci")
    assert inspector.asked == 0


def test_a_repeated_key_creates_nothing(database, upload):
    key = (add_token(database), "k1")
    first = upload(key=key)
    inspector = QuickInspector()

    again = upload(key=key, inspector=inspector)

    assert (first.replayed, again.replayed) == (False, True)
    assert again.view == first.view
    assert inspector.asked == 0
    assert count(database, VersionRow) == 1


def test_a_key_used_for_another_upload_is_refused(database, upload):
    key = (add_token(database), "k1")
    upload(key=key)

    with pytest.raises(IdempotencyKeyReused):
        upload(key=key, content=b"other")
    with pytest.raises(IdempotencyKeyReused):
        upload("garden", key=key)
    assert count(database, VersionRow) == 1


def test_keys_of_idempotency_belong_to_their_token(database, upload):
    ours, theirs = add_token(database, "hsw_a"), add_token(database, "hsw_b")

    upload(key=(ours, "k1"))

    assert upload(key=(theirs, "k1")).replayed is False


def test_eight_equal_requests_with_one_key_create_one_version(database, upload):
    key = (add_token(database), "k1")

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda _: upload(key=key), range(8)))

    assert [outcome.view for outcome in outcomes] == [outcomes[0].view] * 8
    assert sorted(outcome.replayed for outcome in outcomes) == [False] + [True] * 7
    assert count(database, VersionRow) == 1


def test_a_key_expires_after_a_day(database, upload):
    key = (add_token(database), "k1")
    upload(key=key)
    with database.write() as session:
        session.get(IdempotencyKeyRow, key).created_at = utc_now() - KEPT * 1.01

    again = upload(key=key)

    assert (again.replayed, again.view["version"]) == (False, 2)
    assert count(database, IdempotencyKeyRow) == 1


def test_an_upload_is_recorded_and_moves_no_alias(database, upload):
    upload()

    with database.read() as session:
        events = list_history(session, "house", Paging())["items"]
    assert [(e["type"], e["to_version"], e["actor"]) for e in events] == [
        ("registered", 1, "ci"),
        ("model_created", None, "ci"),
    ]
