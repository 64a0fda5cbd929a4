"""Uploads during a garbage collection without a grace period."""

from registry.blobs.local import LocalBlobStore
from registry.storage.database import Database
from registry.storage.schema import upgrade
from tests.integration.registry.races import race_uploads


def test_concurrent_garbage_collection_removes_no_uploaded_bytes(tmp_path, long_faults, tell):
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    database = Database(url)
    upgrade(database)
    database.dispose()

    race = race_uploads(url, LocalBlobStore(tmp_path / "blobs"), 1000 if long_faults else 50)

    tell(
        f"gc: {race.rows} uploads beside {race.collections} collections that removed "
        f"{race.removed} blobs, {len(race.lost)} lost"
    )
    assert (race.faults, race.lost, race.left) == ([], [], set())
    assert race.removed > 0
