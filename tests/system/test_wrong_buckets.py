"""A host does not start whose bucket has none of the artifacts of the database."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.postgresql import running_postgresql
from tests.seaweedfs import running_seaweedfs
from tests.system.models import upload
from tests.system.real_server import BIN, free_port, running


@pytest.mark.slow  # integration/hosts/test_check_blobs.py has a fast form
def test_a_host_with_another_bucket_or_a_folder_is_refused_beside_others(tmp_path: Path) -> None:
    serve: list[str | Path] = [BIN / "hotswap", "serve", "--workers", "1"]
    with running_postgresql() as postgresql, running_seaweedfs() as seaweedfs:
        database = {"HOTSWAP_DATABASE_URL": postgresql.create(migrated=False)}
        shared = {**database, **seaweedfs.environment, "HOTSWAP_BLOBS_URL": seaweedfs.url()}
        with running(serve, tmp_path / "one", free_port(), **shared) as server:
            upload(server, "iris")
            for place in (seaweedfs.url(), ""):
                refused = subprocess.run(
                    [*serve, "--data", tmp_path / "two", "--port", str(free_port())],
                    env={**os.environ, **shared, "HOTSWAP_BLOBS_URL": place},
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
                where = place or f"{tmp_path / 'two'}/blobs"
                assert refused.returncode == 1
                assert f"none of 1 that were looked for is in {where}." in refused.stderr
            assert len(server.call("GET", "/hosts").json()["items"]) == 1
            with running(serve, tmp_path / "two", free_port(), **shared) as second:
                assert second.call("GET", "/readyz").ok
