"""The hashes of a version's training rows are stored beside it, and compared with its holdout."""

import numpy as np
import pytest

from hotswap.evaluation.row_hashes import TrainingRows
from registry.blobs.local import LocalBlobStore
from registry.doctor.findings import Installation
from registry.doctor.storage import check_blobs
from registry.errors import MetadataRefused
from registry.operations.back_up import back_up
from registry.operations.collect_garbage import collect_garbage
from registry.operations.register import Metadata, register
from registry.operations.scrub import scrub
from registry.operations.set_holdout import set_holdout
from registry.operations.verify_backup import verify_backup
from registry.reading.blob_uses import TRAINING_ROWS, BlobUse
from registry.storage.tables import VersionRow
from tests.integration.registry.races import CompilingInspector

TABLE = b"length,width,area\n1,2,2\n3,4,12\n5,6,30\n"


@pytest.fixture
def blobs(tmp_path):
    return LocalBlobStore(tmp_path / "blobs")


def hashes(names=("length", "width")):
    """Those of the first row of TABLE, and of a hundred others."""
    cells = np.r_[[[1.0, 2.0, 2.0]], np.random.default_rng(1).uniform(size=(100, 3))]
    return TrainingRows.of(
        {name: ("number", cells[:, place]) for place, name in enumerate(names)}, cells[:, 2]
    ).to_bytes()


def upload(database, blobs, rows, inspector=None):
    with blobs.stage(2**20) as artifact, blobs.stage(2**20) as staged:
        artifact.write(b"a model")
        staged.write(rows)
        return register(
            database,
            inspector or CompilingInspector(),
            "house",
            artifact,
            Metadata(format="skops"),
            actor="ann",
            training_rows=staged,
        ).view


def stored(database):
    with database.read() as session:
        return session.get(VersionRow, ("house", 1)).training_rows_sha256


def test_they_are_kept_by_garbage_collection_and_part_of_backups(sqlite_database, blobs, tmp_path):
    upload(sqlite_database, blobs, hashes())
    digest = stored(sqlite_database)

    assert collect_garbage(sqlite_database, blobs, older_than=0).blobs.count == 0
    manifest = back_up(sqlite_database, blobs, tmp_path / "backup")
    verify_backup(tmp_path / "backup")

    with blobs.open(digest) as file:
        assert file.read() == hashes()
    assert digest in {entry.sha256 for entry in manifest.files}


def test_their_damage_and_loss_are_reported(database, blobs, tmp_path):
    upload(database, blobs, hashes())
    digest = stored(database)
    blobs.path_of(digest).write_bytes(b"other")

    (loss,) = scrub(database, blobs).losses

    assert loss.uses == (BlobUse("house", 1, TRAINING_ROWS),)
    (finding,) = check_blobs(Installation(tmp_path, database, blobs))
    assert finding.message == "version 1 of house lacks its training_rows"


def test_hashes_of_other_columns_are_not_kept(database, blobs):
    upload(database, blobs, hashes(("length", "height")))

    assert stored(database) is None


def test_a_malformed_file_is_refused_before_anything_is_stored(database, blobs):
    with pytest.raises(MetadataRefused) as error:
        upload(database, blobs, b"not hashes")

    assert [fault.at for fault in error.value.faults] == ["training_rows"]
    assert list(blobs.digests()) == []


def test_setting_a_holdout_reports_the_rows_that_were_trained_on(database, blobs):
    upload(database, blobs, hashes())

    with blobs.stage(2**20) as table:
        table.write(TABLE)
        view, _ = set_holdout(database, "house", table, "csv", "area", blobs=blobs, actor="ann")

    assert view["trained_on"] == [{"version": 1, "rows": 1}]
