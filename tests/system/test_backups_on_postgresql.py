"""A registry on PostgreSQL whose artifacts are in a bucket is lost, restored and served."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry.blobs.bucket import Bucket, open_bucket
from tests.postgresql import PostgreSql, running_postgresql
from tests.seaweedfs import SeaweedFs, running_seaweedfs
from tests.system.models import iris_table, upload
from tests.system.real_server import ADMIN_TOKEN, BIN, ROOT, Server, free_port, running

SERVE: list[str | Path] = [BIN / "hotswap", "serve", "--workers", "2"]
Disaster = Callable[[Bucket], None]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSql]:
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def seaweedfs() -> Iterator[SeaweedFs]:
    with running_seaweedfs() as server:
        yield server


def keys(bucket: Bucket) -> list[str]:
    return sorted(each.key for part in bucket.objects("blobs") for each in part)


def nothing(_: Bucket) -> None:
    """The bucket survives."""


def remove_all(bucket: Bucket) -> None:
    bucket.remove(keys(bucket))


def remove_and_damage(bucket: Bucket) -> None:
    """One object is gone, and another one has other bytes of the same length."""
    gone, damaged = keys(bucket)[:2]
    bucket.remove([gone])
    bucket.put(damaged, bytes(sum(map(len, bucket.read(damaged)))))


def predictions(server: Server) -> bytes:
    """Of every iris, by the version in production."""
    reply = server.call(
        "POST",
        "/models/iris/production/predict",
        data=iris_table(),
        headers={"Content-Type": "text/csv"},
    )
    reply.raise_for_status()
    return reply.content


class Commands:
    """``hotswap`` with ``settings``."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings

    def run(self, *arguments: str | Path, **changed: str) -> str:
        """What it prints."""
        done = subprocess.run(
            [BIN / "hotswap", *arguments],
            env={**os.environ, "HOTSWAP_TOKEN": ADMIN_TOKEN, **self.settings, **changed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.mark.slow  # integration/registry/test_backups_in_buckets.py has a fast form
@pytest.mark.parametrize("disaster", [nothing, remove_all, remove_and_damage])
def test_a_registry_in_a_bucket_is_restored_from_a_backup_and_serves_the_same(
    postgresql: PostgreSql, seaweedfs: SeaweedFs, tmp_path: Path, disaster: Disaster
) -> None:
    bucket_url = seaweedfs.url()
    bucket = open_bucket(bucket_url, seaweedfs.endpoint)
    settings = {**seaweedfs.environment, "HOTSWAP_BLOBS_URL": bucket_url}
    lost, empty = postgresql.create(migrated=False), postgresql.create(migrated=False)
    backup, pg_bin = tmp_path / "backup", ("--pg-bin", postgresql.programs)

    before = {**settings, "HOTSWAP_DATABASE_URL": lost}
    with running(SERVE, tmp_path / "old", free_port(), **before) as server:
        for _ in range(2):
            upload(server, "iris")
        for version in (1, 2):
            server.call("POST", f"/models/iris/{version}/promote").raise_for_status()
        expected = predictions(server)
        commands = Commands({**before, "HOTSWAP_DATA": str(tmp_path / "old")})
        made = json.loads(commands.run("backup", backup, "--json", *pg_bin))
        upload(server, "iris")  # is in no backup, and lost
    stored = keys(bucket)
    postgresql.drop(lost)
    disaster(bucket)

    after = {**settings, "HOTSWAP_DATABASE_URL": empty}
    commands = Commands({**after, "HOTSWAP_DATA": str(tmp_path / "new")})
    commands.run("restore", backup, "--check", *pg_bin)
    commands.run("restore", backup, *pg_bin)
    assert set(keys(bucket)) <= set(stored)
    with running(SERVE, tmp_path / "new", free_port(), **after) as server:
        assert predictions(server) == expected
        commands.run("history", "--verify", "--anchor", made["history"])
        commands.run("doctor", "--scrub", HOTSWAP_URL=server.url)
        server.call("POST", "/models/iris/rollback").raise_for_status()
        assert upload(server, "iris")["version"] == 3
        server.call("POST", "/models/iris/3/promote").raise_for_status()
        assert predictions(server) == expected.replace(b'"version":2', b'"version":3')
    postgresql.drop(empty)
