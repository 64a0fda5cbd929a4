"""``hotswap blobs move``, and commands on a data directory whose blobs are in a bucket."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from cli.main import main
from cli.scrub import check_scrub
from config import Settings
from registry.blobs.choice import blob_store
from registry.blobs.local import LocalBlobStore
from registry.doctor.checks import examine
from registry.doctor.findings import Installation as Checked
from registry.doctor.storage import check_blobs
from registry.errors import BucketUnavailable
from registry.operations.move_blobs import move_blobs
from registry.operations.scrub import scrub
from tests.integration.registry.buckets import digest_of
from tests.integration.registry.races import orphan, upload

CHECKS = (check_blobs, check_scrub)


class Installation:
    """A data directory, whose blobs are in its folder or in the bucket ``url``."""

    def __init__(self, data, database, seaweedfs):
        self.data, self.database = data, database
        self.url = seaweedfs.url()
        self._seaweedfs = seaweedfs

    def run(self, *arguments, url=""):
        return CliRunner().invoke(main, arguments, env=self.environment(url))

    def environment(self, url):
        return {
            **self._seaweedfs.environment,
            "HOTSWAP_DATA": str(self.data),
            "HOTSWAP_DATABASE_URL": "",
            "HOTSWAP_BLOBS_URL": url,
        }

    def blobs(self, url="", data=None):
        endpoint = self._seaweedfs.endpoint
        settings = Settings(data=data or self.data, blobs_url=url, blobs_endpoint=endpoint)
        return blob_store(settings, self.database)


@pytest.fixture
def installation(tmp_path, sqlite_database, seaweedfs):
    return Installation(tmp_path, sqlite_database, seaweedfs)


def test_blobs_move_to_a_bucket_and_back(installation):
    for content in (b"first", b"second"):
        upload(installation.database, installation.blobs(), content)
    orphan(installation.blobs(), b"nobody's")

    there = installation.run("blobs", "move", "--to", installation.url, "--json")

    assert there.exit_code == 0, there.output
    assert json.loads(there.stdout) == {
        "to": installation.url,
        "copied": 4,
        "bytes": 22,
        "present": 0,
        "lost": [],
    }
    shutil.rmtree(installation.data / "blobs")
    shutil.rmtree(installation.data / "cache")
    bucket = installation.blobs(installation.url)
    assert scrub(installation.database, bucket).intact == 4
    upload(installation.database, bucket, b"third")

    back = installation.run("blobs", "move", "--to", "folder", url=installation.url)

    assert back.stdout.splitlines() == [
        f"Copied 6 blobs to {installation.data / 'blobs'} (32 B).",
        "0 were there already.",
    ]
    assert scrub(installation.database, installation.blobs()).intact == 6


def test_an_interrupted_move_continues_where_it_was(installation):
    for number in range(5):
        upload(installation.database, installation.blobs(), b"model %d" % number)
    done = []

    def interrupt(copied, _):
        done.append(copied)
        if copied == 4:
            raise BucketUnavailable("the test ends it")

    with pytest.raises(BucketUnavailable):
        move_blobs(
            installation.database,
            installation.blobs(),
            installation.blobs(installation.url),
            progress=interrupt,
        )

    again = installation.run("blobs", "move", "--to", installation.url, "--json")

    figures = json.loads(again.stdout)
    assert (figures["copied"], figures["present"]) == (6, 4)
    assert scrub(installation.database, installation.blobs(installation.url)).losses == ()


KILLED = """
import os, signal, sys
from dataclasses import replace
from cli.database import configured_registry, opened_blobs
from registry.operations.move_blobs import move_blobs

def die(copied, _):
    if copied == 3:
        os.kill(os.getpid(), signal.SIGKILL)

with configured_registry(None) as (settings, database, source):
    target = opened_blobs(replace(settings, blobs_url=sys.argv[1]), database)
    move_blobs(database, source, target, progress=die)
"""


@pytest.mark.slow
@pytest.mark.parametrize("there", [True, False])
def test_a_move_that_was_killed_continues_where_it_was(installation, there):
    source, target = ("", installation.url) if there else (installation.url, "")
    for number in range(4):
        upload(installation.database, installation.blobs(source), b"model %d" % number)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, target],
        env={**os.environ, **installation.environment(source)},
        timeout=120,
        check=False,
    )
    again = installation.run("blobs", "move", "--to", target or "folder", "--json", url=source)

    assert killed.returncode == -signal.SIGKILL
    figures = json.loads(again.stdout)
    assert (figures["copied"], figures["present"]) == (5, 3)
    assert scrub(installation.database, installation.blobs(target)).intact == 8


def test_what_is_uploaded_during_a_move_is_moved_too(installation):
    upload(installation.database, installation.blobs(), b"before")
    added = []

    def add(*_):
        if not added:
            added.append(upload(installation.database, installation.blobs(), b"meanwhile"))

    moved = move_blobs(
        installation.database,
        installation.blobs(),
        installation.blobs(installation.url),
        progress=add,
    )

    assert moved.copied == 4
    assert scrub(installation.database, installation.blobs(installation.url)).losses == ()


def test_a_move_between_buckets_keeps_the_keys(installation, seaweedfs):
    upload(installation.database, installation.blobs(installation.url), b"a model")
    other = seaweedfs.url()

    result = installation.run("blobs", "move", "--to", other, url=installation.url)

    assert result.exit_code == 0, result.output
    for url in (installation.url, other):
        assert scrub(installation.database, installation.blobs(url)).intact == 2


def test_a_move_names_what_is_lost_and_copies_the_rest(installation):
    blobs = installation.blobs()
    upload(installation.database, blobs, b"a model")
    blobs.path_of(digest_of(b"a model")).write_bytes(b"A model")

    result = installation.run("blobs", "move", "--to", installation.url, "--json")

    assert result.exit_code == 1
    figures = json.loads(result.stdout)
    assert (figures["copied"], figures["lost"]) == (1, [digest_of(b"a model")])


@pytest.mark.parametrize("to", ["folder", "models", "s3://", "https://example.com/models"])
def test_a_move_to_nowhere_is_refused(installation, to):
    result = installation.run("blobs", "move", "--to", to)

    assert result.exit_code == 2
    assert "--to" in result.output


def test_a_backup_of_a_bucket_is_restored_without_it(installation, tmp_path):
    upload(installation.database, installation.blobs(installation.url), b"a model")

    backup = installation.run("backup", str(tmp_path / "monday"), url=installation.url)
    restored = installation.run(
        "restore", str(tmp_path / "monday"), "--data", str(tmp_path / "new")
    )

    assert (backup.exit_code, restored.exit_code) == (0, 0), backup.output + restored.output
    local = LocalBlobStore(tmp_path / "new" / "blobs")
    assert scrub(installation.database, local).intact == 2


def test_the_checks_of_doctor_read_the_bucket(installation):
    blobs = installation.blobs(installation.url)
    upload(installation.database, blobs, b"a model")
    checked = Checked(installation.data, installation.database, blobs)
    assert {each.result for each in examine(checked, CHECKS)} == {"ok"}
    keys = [each.key for part in blobs.bucket.objects("blobs") for each in part]
    key = next(key for key in keys if digest_of(b"a model") in key)

    blobs.bucket.put(key, b"damaged")
    scrubbed = {each.check: each for each in examine(checked, CHECKS)}
    blobs.bucket.remove([key])
    missing = {each.check: each for each in examine(checked, CHECKS)}

    assert (scrubbed["blobs"].result, scrubbed["scrub"].result) == ("ok", "fault")
    assert "is damaged: the artifact of house/1" in scrubbed["scrub"].message
    assert scrubbed["scrub"].advice == "Upload the same file again, which replaces it."
    assert missing["blobs"].message == "version 1 of house lacks its artifact"


def test_gc_of_a_bucket_keeps_what_is_younger_than_a_day(installation):
    blobs = installation.blobs(installation.url)
    upload(installation.database, blobs, b"a model")
    orphan(blobs)

    result = installation.run("gc", "--older-than", "0m", "--json", url=installation.url)

    figures = json.loads(result.stdout)
    assert (figures["removed"], figures["young"]) == (0, 1)


def test_a_bucket_that_is_away_is_reported(installation):
    environment = {
        "HOTSWAP_DATA": str(installation.data),
        "HOTSWAP_BLOBS_URL": "s3://tests/away",
        "HOTSWAP_BLOBS_ENDPOINT": "http://127.0.0.1:9",
    }

    result = CliRunner().invoke(main, ["gc", "--older-than", "0m"], env=environment)

    assert result.exit_code == 1, result.output
    assert "the bucket of its artifacts" in result.output
