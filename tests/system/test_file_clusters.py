"""``hotswap predict --scheduler``: clusters that lose a worker or the scheduler, or have none."""

import logging
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from hotswap import Registry, errors, predict_file, schedulers
from hotswap.files import cluster
from tests.system.batch_files import ROWS, write_rows
from tests.system.dask_clusters import running_scheduler
from tests.system.models import upload
from tests.system.real_server import BIN, Server

pytestmark = [
    pytest.mark.slow,  # importing and starting distributed takes seconds
    pytest.mark.filterwarnings("ignore"),  # distributed's own, when a worker or scheduler ends
]


@pytest.fixture(scope="module", autouse=True)
def model(server: Server) -> None:
    upload(server, "clustered")
    server.call("POST", "/models/clustered/1/promote").raise_for_status()


@pytest.fixture
def registry(server: Server) -> Iterator[Registry]:
    with Registry(server.url, server.token) as registry:
        yield registry


def test_a_cluster_that_loses_a_worker_gives_the_same_output(
    server: Server, registry: Registry, tmp_path: Path
) -> None:
    from distributed import LocalCluster

    data = tmp_path / "in.parquet"
    write_rows(data, ROWS)
    options = {"keep": ["id"], "probabilities": True}
    predict_file(
        *(registry, "clustered", str(data), str(tmp_path / "whole.parquet")),
        in_process=True,
        **options,
    )
    killed = threading.Event()

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        first = next(iter(cluster.workers.values()))

        def kill(rows: int, end: float, *, resumed: bool) -> None:
            if not killed.is_set():
                assert end < 1
                os.kill(first.pid, signal.SIGKILL)
                killed.set()

        done = predict_file(
            *(registry, "clustered", str(data), f"local://{tmp_path}/out.parquet"),
            scheduler=cluster.scheduler_address,
            progress=kill,
            **options,
        )

    assert killed.is_set()
    assert done.rows == ROWS
    whole, out = (tmp_path / f"{name}.parquet" for name in ("whole", "out"))
    assert out.read_bytes() == whole.read_bytes()


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A scheduler without workers, and its address."""
    with running_scheduler(tmp_path) as started:
        yield started


def test_a_cluster_without_workers_is_reported_and_given_up(
    registry: Registry,
    scheduler: tuple[subprocess.Popen[bytes], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(schedulers, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(schedulers, "WORKERS_SECONDS", 0.3)
    write_rows(tmp_path / "in.parquet", 100)
    with pytest.raises(errors.ClusterFailed, match="has had no workers for"):
        predict_file(
            *(registry, "clustered", str(tmp_path / "in.parquet"), str(tmp_path / "out.csv")),
            scheduler=scheduler[1],
        )
    assert "has no workers; waiting" in caplog.text
    assert [path.name for path in tmp_path.glob("*.parts")] == []


class Kill(logging.Handler):
    """Kills a process at the first message."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__()
        self.process = process

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - logging's signature
        self.process.kill()


def test_a_scheduler_that_is_lost_ends_the_run(
    registry: Registry,
    scheduler: tuple[subprocess.Popen[bytes], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schedulers, "CHECK_SECONDS", 0.1)
    write_rows(tmp_path / "in.parquet", 100)
    process, address = scheduler
    killing = Kill(process)
    schedulers.logger.addHandler(killing)
    try:
        with pytest.raises(errors.ClusterFailed, match="scheduler") as caught:
            predict_file(
                *(registry, "clustered", str(tmp_path / "in.parquet"), str(tmp_path / "out.csv")),
                scheduler=address,
            )
    finally:
        schedulers.logger.removeHandler(killing)
    assert address in str(caught.value)


class Exhausted:
    """Work for which a worker has not enough memory."""

    def span(self, span: object, done: frozenset[int]) -> None:
        raise MemoryError(f"no memory for {span} beside {len(done)}")


def test_a_worker_that_fails_is_reported() -> None:
    from distributed import LocalCluster

    one = SimpleNamespace(chunk=0, chunks=1, count=10, end=1.0)
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address=None) as local,
        pytest.raises(errors.ClusterFailed, match="a worker failed: MemoryError: no memory for"),
    ):
        cluster.run_on_cluster(
            local.scheduler_address, Exhausted(), iter([one]), set(), lambda *_, **__: None
        )


def test_an_address_without_a_scheduler_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "1s")
    write_rows(tmp_path / "in.parquet", 100)
    files = ["--data", str(tmp_path / "in.parquet"), "--out", str(tmp_path / "out.csv")]
    failed = server.hotswap("predict", "clustered", *files, "--scheduler", "tcp://127.0.0.1:1")
    assert failed.returncode == 3
    assert "The Dask cluster at tcp://127.0.0.1:1 failed" in failed.stderr
    assert "Check the scheduler and its workers" in failed.stderr


def test_an_interruption_ends_a_run_on_a_cluster_without_workers(
    server: Server, scheduler: tuple[subprocess.Popen[bytes], str], tmp_path: Path
) -> None:
    write_rows(tmp_path / "in.parquet", 100)
    files = ["--data", str(tmp_path / "in.parquet"), "--out", str(tmp_path / "out.csv")]
    environment = {**os.environ, "HOTSWAP_URL": server.url, "HOTSWAP_TOKEN": server.token}
    process = subprocess.Popen(
        [BIN / "hotswap", "predict", "clustered", *files, "--scheduler", scheduler[1]],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert "has no workers" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.communicate()
