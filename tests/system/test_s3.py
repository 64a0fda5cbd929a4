"""A real server whose artifacts are in a bucket."""

import io
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests

from benchmarks.swap import constant_model
from tests.hosts.proxies import Proxy
from tests.seaweedfs import SeaweedFs, running_seaweedfs
from tests.system.models import upload
from tests.system.real_server import BIN, Server, free_port, running, wait_until

GIVEN_UP_SECONDS = 25.0
"""When docs/s3.md has a call answered that needs a silent bucket, at the latest."""
ROW = {"x0": 1.0, "x1": 2.0}


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


def timed(call: Callable[[], requests.Response]) -> tuple[requests.Response, float]:
    """What it returns, and the seconds that it took."""
    began = time.monotonic()
    return call(), time.monotonic() - began


def send(server: Server, value: float) -> requests.Response:
    """Upload a version that predicts ``value``."""
    files = {"artifact": ("model.skops", io.BytesIO(constant_model(value)))}
    return server.call("POST", "/models/plane/versions", files=files)


def predict(server: Server, version: int | str) -> requests.Response:
    return server.call("POST", f"/models/plane/{version}/predict", json=ROW)


@pytest.mark.slow  # integration/registry/test_s3_blobs.py has each call, with a shorter time limit
def test_while_the_bucket_is_silent_calls_that_need_it_end_and_predictions_go_on(
    seaweedfs: SeaweedFs, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    command = [BIN / "hotswap", "serve", "--workers", "2"]
    with closing(Proxy(seaweedfs.connect)) as wire:
        environment = {
            **seaweedfs.environment,
            "HOTSWAP_BLOBS_URL": seaweedfs.url(),
            "HOTSWAP_BLOBS_ENDPOINT": f"http://127.0.0.1:{wire.port}",
        }
        with running(command, data, free_port(), **environment) as server:
            for value in (1.0, 2.0):
                upload(server, "plane", constant_model(value))
            copies = {path.name for path in data.glob("cache/??/*")}
            upload(server, "plane", constant_model(3.0))
            server.call("POST", "/models/plane/1/promote").raise_for_status()
            workers = sorted(server.workers())
            for path in data.glob("cache/??/*"):
                if path.name not in copies:
                    path.unlink()

            wire.swallow()
            calls: list[Callable[[], requests.Response]] = [
                lambda: send(server, 4.0),
                lambda: server.call("POST", "/models/plane/2/promote"),
                lambda: server.call("POST", "/models/plane/3/promote"),
                lambda: server.call("GET", "/models/plane/3/artifact"),
                lambda: predict(server, 3),
            ]
            with ThreadPoolExecutor(len(calls)) as threads:
                waiting = [threads.submit(timed, call) for call in calls]
                predicted = []
                while not all(one.done() for one in waiting):
                    predicted.append(timed(lambda: predict(server, "production")))
                    time.sleep(0.1)
                refused = [one.result() for one in waiting]
                predicted.append(timed(lambda: predict(server, 2)))  # loads its copy

            for reply, seconds in refused:
                assert reply.status_code == 503, reply.text
                assert reply.json()["type"].endswith("bucket-unavailable"), reply.text
                assert "bucket" in reply.json()["detail"]
                assert reply.headers["Retry-After"] == "30"
                assert seconds < GIVEN_UP_SECONDS
            assert len(predicted) > 50
            for reply, seconds in predicted:
                assert reply.status_code == 200, reply.text
                assert seconds < 5

            wire.restore()
            assert send(server, 4.0).status_code == 201
            server.call("POST", "/models/plane/3/promote").raise_for_status()
            wait_until(lambda: predict(server, 3).ok, "the version is not loaded again")
            assert predict(server, "production").json()["prediction"] == 3.0
            assert sorted(server.workers()) == workers
