"""``hotswap predict --out`` on a real server: killed and resumed, and on a Dask cluster."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from hotswap import Registry, predict_file
from tests.system.models import upload
from tests.system.real_server import BIN, Server, wait_until

ROWS = 1_500_000


@pytest.fixture(scope="module", autouse=True)
def model(server: Server) -> None:
    upload(server, "batches")
    server.call("POST", "/models/batches/1/promote").raise_for_status()


@pytest.fixture
def registry(server: Server) -> Iterator[Registry]:
    with Registry(server.url, server.token) as registry:
        yield registry


def write_rows(path: Path, count: int) -> pa.Table:
    """Random irises with an id, in row groups of a quarter million."""
    drawn = np.random.default_rng(0).uniform(0.1, 7.9, (4, count)).round(2)
    columns = {f"x{place}": cells for place, cells in enumerate(drawn)}
    table = pa.table({"id": np.arange(count), **columns})
    pa.parquet.write_table(table, path, row_group_size=250_000)
    return table


@pytest.mark.slow  # integration/client/test_files.py has it with a fake service
def test_a_file_gets_the_same_predictions_from_the_service_and_a_scorer(
    server: Server, registry: Registry, tmp_path: Path
) -> None:
    data = tmp_path / "in.parquet"
    table = write_rows(data, 70_000)
    outs = [tmp_path / f"{number}.parquet" for number in range(2)]
    for out, in_process in zip(outs, (False, True), strict=True):
        predict_file(
            *(registry, "batches", str(data), str(out)),
            keep=["id"],
            probabilities=True,
            in_process=in_process,
        )
    assert outs[0].read_bytes() == outs[1].read_bytes()
    found = pa.parquet.read_table(outs[0])
    assert found.column_names[:2] == ["id", "prediction"]
    last = table.slice(69_000)
    expected = registry.predict("batches", last.drop_columns("id"), version=1, probabilities=True)
    assert found["prediction"].to_pylist()[69_000:] == expected["predictions"]
    chances = [row["virginica"] for row in expected["probabilities"]]
    assert found["probability_virginica"].to_pylist()[69_000:] == chances


@pytest.mark.slow
def test_a_command_killed_twice_and_resumed_gives_the_bytes_of_one_run(
    server: Server, registry: Registry, tmp_path: Path
) -> None:
    data = tmp_path / "in.parquet"
    write_rows(data, ROWS)
    predict_file(registry, "batches", str(data), str(tmp_path / "whole.csv"), keep=["id"])
    out = tmp_path / "out.csv"
    command = ["predict", "batches", "--data", str(data), "--out", str(out), "--keep", "id"]
    parts = tmp_path / "out.csv.parts"

    for enough in (3, 12):
        environment = {**os.environ, "HOTSWAP_URL": server.url, "HOTSWAP_TOKEN": server.token}
        process = subprocess.Popen(
            [BIN / "hotswap", *command, "--resume"], env=environment, stderr=subprocess.DEVNULL
        )
        wait_until(lambda count=enough: len(list(parts.glob("*.part"))) >= count, "no parts")
        process.kill()
        assert process.wait(30) == -signal.SIGKILL
        assert not out.exists()
    refused = server.hotswap(*command)
    assert refused.returncode == 2
    assert "Continue it with --resume" in refused.stderr

    resumed = server.hotswap(*command, "--resume")

    assert resumed.returncode == 0, resumed.stderr
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not parts.exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # distributed's own, at the death of a worker
def test_a_cluster_that_loses_a_worker_gives_the_same_output(
    server: Server, registry: Registry, tmp_path: Path
) -> None:
    from distributed import LocalCluster

    data = tmp_path / "in.parquet"
    write_rows(data, ROWS)
    options = {"keep": ["id"], "probabilities": True}
    predict_file(
        *(registry, "batches", str(data), str(tmp_path / "whole.parquet")),
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
            *(registry, "batches", str(data), f"local://{tmp_path}/out.parquet"),
            scheduler=cluster.scheduler_address,
            progress=kill,
            **options,
        )

    assert killed.is_set()
    assert done.rows == ROWS
    whole, out = (tmp_path / f"{name}.parquet" for name in ("whole", "out"))
    assert out.read_bytes() == whole.read_bytes()
