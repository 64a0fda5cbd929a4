"""The real server on a failing disk: it reports it, keeps serving, leaves nothing, and recovers."""

import io
import json
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pysqlite3
import pytest
import requests

from tests.faults.strace import Strace
from tests.system.models import iris_artifact, upload
from tests.system.real_server import BIN, Server, free_port, running

ROW = {"input": [5.1, 3.5, 1.4, 0.2]}
COMMAND = [BIN / "hotswap", "serve", "--workers", "2"]
Fault = Callable[[Server], object]


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose data directory is a file system of one megabyte."""
    folder = tmp_path_factory.mktemp("small")
    disk = folder / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk))
    try:
        with running(COMMAND, disk / "data", free_port()) as started:
            for _ in range(2):
                upload(started, "iris")
            started.call("POST", "/models/iris/1/promote").raise_for_status()
            yield started
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def server(small: Server) -> Server:
    """The same server with an empty write-ahead log. SQLite would let it grow to 4 MB, four times
    this disk: what earlier tests wrote would leave a later one no room."""
    with closing(pysqlite3.connect(str(small.data / "registry.db"))) as database:
        busy, *_ = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert not busy
    return small


class Caller:
    """Calls the server on one connection, which a fault cannot keep from being made."""

    def __init__(self, server: Server) -> None:
        self._url = server.url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {server.token}"
        self.predict()

    def predict(self) -> int:
        answer = self._session.post(f"{self._url}/models/iris/predict", json=ROW, timeout=30)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["version"])

    def upload(self, content: bytes | None = None) -> requests.Response:
        files = {"artifact": ("model.skops", io.BytesIO(content or iris_artifact()))}
        return self._post("/models/iris/versions", files=files, data={"metadata": json.dumps({})})

    def promote(self, number: int) -> requests.Response:
        return self._post(f"/models/iris/{number}/promote")

    def _post(self, path: str, **body: object) -> requests.Response:
        return self._session.post(f"{self._url}{path}", timeout=60, **body)


def refused(answer: requests.Response) -> None:
    """The answer is a proper problem that blames the disk and nothing of the caller's."""
    assert answer.status_code in {503, 507}, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"].removeprefix("/problems/") in {
        *("storage-full", "storage-unavailable", "database-unavailable", "database-busy"),
        *("intake-unavailable", "blob-unavailable", "version-loading"),
    }
    assert (answer.status_code == 507) != ("Retry-After" in answer.headers)


def left(server: Server) -> list[Path]:
    return list((server.data / "blobs" / "incoming").iterdir())


def live(server: Server) -> int:
    return int(server.call("GET", "/models/iris").json()["aliases"]["production"])


@contextmanager
def full(server: Server) -> Iterator[None]:
    """No byte is left on the disk."""
    filler = server.data.parent / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"z" * 512)
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def read_only(server: Server) -> Iterator[None]:
    """What is opened by its path can only be read."""
    data = str(server.data)
    mount("--bind", data, data)
    try:
        mount("-o", "remount,bind,ro", data)
        yield
    finally:
        subprocess.run(["umount", "-l", data], check=True)


@contextmanager
def no_descriptors(server: Server) -> Iterator[None]:
    """Every worker has as many files open as it may."""
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in server.workers()}
    for pid, (_, most) in limits.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, most))
    try:
        yield
    finally:
        for pid, before in limits.items():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def failing(calls: str, error: str) -> Callable[[Server], object]:
    """Every one of these system calls of every worker fails."""

    @contextmanager
    def fault(server: Server) -> Iterator[None]:
        log = server.data.parents[1] / "calls"
        inject = [f"{calls}:error={error}"]
        with Strace(log, server.workers(), inject, follow=True):
            yield

    return fault


FAULTS: dict[str, Fault] = {
    "no room left": full,
    "no descriptors left": no_descriptors,
    "fsync: input/output error": failing("fsync,fdatasync", "EIO"),
    "fsync: no room": failing("fsync,fdatasync", "ENOSPC"),
    "write to the database: input/output error": failing("pwrite64", "EIO"),
    "write to the database: no room": failing("pwrite64", "ENOSPC"),
    "rename: input/output error": failing("rename", "EIO"),
    "read-only": read_only,
}
SPARED = {
    "rename: input/output error": {"promote"},  # it renames nothing
    "read-only": {"promote"},  # the database's files are open already
}


@pytest.mark.slow  # test_failing_calls.py has the same faults, one call at a time
@pytest.mark.parametrize("name", FAULTS)
def test_a_failing_disk_is_reported_while_predictions_continue_and_writes_recover(
    server: Server, attached: None, name: str
) -> None:
    caller = Caller(server)
    before = live(server)
    other = 3 - before
    versions = server.call("GET", "/models/iris/versions").json()["total"]

    with FAULTS[name](server):
        refused(caller.upload())
        if "promote" not in SPARED.get(name, ()):
            refused(caller.promote(other))
        assert {caller.predict() for _ in range(10)} == {before}

    assert left(server) == []
    assert live(server) == before
    assert server.call("GET", "/models/iris/versions").json()["total"] == versions
    assert caller.promote(other).status_code == 200
    assert {Caller(server).predict() for _ in range(6)} == {other}
    after = caller.upload()
    assert after.status_code == 201, after.text
    server.call("DELETE", f"/models/iris/{after.json()['version']}").raise_for_status()
    assert server.hotswap("history", "--verify").returncode == 0


@pytest.mark.slow  # test_failing_calls.py has uploads without room
def test_an_upload_that_does_not_fit_is_refused_and_the_next_smaller_one_accepted(
    server: Server,
) -> None:
    caller, before = Caller(server), live(server)

    too_large = caller.upload(os.urandom(2**20))

    assert too_large.status_code == 507, too_large.text
    assert left(server) == []
    assert caller.upload().status_code == 201
    assert caller.predict() == before


@pytest.mark.slow
def test_a_start_on_a_read_only_disk_fails_with_the_cause(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    mount("-t", "tmpfs", "-o", "ro", "tmpfs", str(data))
    try:
        ended = subprocess.run(
            [*COMMAND, "--data", data, "--port", str(free_port())],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        subprocess.run(["umount", "-l", str(data)], check=True)

    assert ended.returncode in {1, 2}
    assert "Read-only file system" in ended.stderr
    assert "Traceback" not in ended.stderr
