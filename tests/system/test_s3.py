"""A real server whose artifacts are in a bucket."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.seaweedfs import SeaweedFs, running_seaweedfs
from tests.system.models import upload
from tests.system.real_server import BIN, free_port, running


@pytest.fixture(scope="module")
def seaweedfs() -> Iterator[SeaweedFs]:
    with running_seaweedfs() as server:
        yield server


@pytest.mark.slow
def test_a_server_serves_what_is_in_the_bucket_alone(seaweedfs: SeaweedFs, tmp_path: Path) -> None:
    data = tmp_path / "data"
    command = [BIN / "hotswap", "serve", "--workers", "2"]
    environment = {**seaweedfs.environment, "HOTSWAP_BLOBS_URL": seaweedfs.url()}
    with running(command, data, free_port(), **environment) as server:
        uploaded = upload(server, "iris")
        server.call("POST", "/models/iris/1/promote").raise_for_status()
        sha256 = uploaded["artifact"]["sha256"]
        before = server.call("GET", "/models/iris/1/artifact").content
    assert not list((data / "blobs").glob("??/*"))
    shutil.rmtree(data / "cache")

    with running(command, data, free_port(), **environment) as server:
        assert server.call("GET", "/models/iris/1/artifact").content == before
        assert server.call("GET", "/models/iris/production").json()["version"] == 1

    assert (data / "cache" / sha256[:2] / sha256).read_bytes() == before
