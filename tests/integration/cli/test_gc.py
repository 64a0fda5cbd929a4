"""``hotswap gc`` on a real data directory."""

import json
import os

import pytest
from click.testing import CliRunner

from cli.main import main
from registry.blobs.local import LocalBlobStore
from tests.integration.registry.races import orphan, upload


@pytest.fixture
def blobs(tmp_path):
    return LocalBlobStore(tmp_path / "blobs")


@pytest.fixture
def gc(tmp_path, databases):
    def gc(*arguments, data=tmp_path):
        url = databases.url(tmp_path) if data == tmp_path else ""
        environment = {"HOTSWAP_DATA": str(data), "HOTSWAP_DATABASE_URL": url}
        return CliRunner().invoke(main, ["gc", *arguments], env=environment)

    return gc


def test_gc_prints_what_was_removed_and_what_is_too_young(gc, either_database, blobs):
    upload(either_database, blobs, b"first")
    digest = orphan(blobs)
    orphan(blobs, b"young")
    os.utime(blobs.path_of(digest), (0, 0))
    for name in ("old", "new"):
        (blobs.uploads / "1" / name).mkdir(parents=True)
        (blobs.uploads / "1" / name / "file").write_bytes(b"abc")
    os.utime(blobs.uploads / "1" / "old", (0, 0))

    reported = gc()

    assert reported.exit_code == 0
    assert reported.stdout.splitlines() == [
        "Removed 1 blobs that no version refers to (8 B),",
        "0 files of interrupted uploads (0 B),",
        "and 1 directories that were uploaded over a day ago (3 B).",
        "1 more are younger than --older-than and were kept.",
    ]
    assert len(set(blobs.digests())) == 3
    assert [path.name for path in (blobs.uploads / "1").iterdir()] == ["new"]


def test_gc_prints_the_same_figures_as_json_with_and_without_dry_run(gc, either_database, blobs):
    upload(either_database, blobs, b"first")
    orphan(blobs)
    figures = {"removed": 1, "removed_bytes": 8, "young": 0, "passed_over": 0}
    figures |= {"interrupted": 0, "interrupted_bytes": 0}
    figures |= {"directories": 0, "directories_bytes": 0}

    dry = gc("--dry-run", "--older-than", "0m", "--json")
    real = gc("--older-than", "0m", "--json")

    assert json.loads(dry.stdout) == {"dry_run": True, **figures}
    assert json.loads(real.stdout) == {"dry_run": False, **figures}
    assert len(set(blobs.digests())) == 2


def test_gc_refuses_a_database_without_versions_beside_blobs(gc, either_database, blobs):
    digest = orphan(blobs)

    reported = gc("--older-than", "0m")

    assert reported.exit_code == 1
    assert "HOTSWAP_DATABASE_URL" in reported.stderr
    assert set(blobs.digests()) == {digest}


@pytest.mark.sqlite
def test_gc_creates_nothing_in_an_empty_directory(gc, tmp_path):
    reported = gc("--data", str(tmp_path / "elsewhere"))

    assert reported.exit_code == 2
    assert "HOTSWAP_DATA" in reported.stderr
    assert not (tmp_path / "elsewhere").exists()


def test_gc_refuses_a_database_of_another_release(gc, either_database, blobs):
    orphan(blobs)
    with either_database.write() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    reported = gc("--older-than", "0m")

    assert reported.exit_code == 1
    assert "schema 9999" in reported.stderr
    assert len(set(blobs.digests())) == 1


@pytest.mark.parametrize("span", ["1", "h", "-1h", "1 hour", ""])
def test_gc_with_an_invalid_duration_is_wrong_usage(gc, span):
    assert gc("--older-than", span).exit_code == 2
