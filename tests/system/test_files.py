"""``hotswap predict --out`` on a real server: killed, restarted and resumed."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from hotswap import Registry, errors, predict_file
from hotswap.problems import VersionNotFound
from tests.system.batch_files import ROWS, write_rows
from tests.system.models import upload
from tests.system.real_server import BIN, Server, free_port, running, wait_until


@pytest.fixture(scope="module", autouse=True)
def model(server: Server) -> None:
    upload(server, "batches")
    server.call("POST", "/models/batches/1/promote").raise_for_status()


@pytest.fixture
def registry(server: Server) -> Iterator[Registry]:
    with Registry(server.url, server.token) as registry:
        yield registry


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


def in_background(server: Server, *arguments: str) -> "subprocess.Popen[str]":
    """The command ``hotswap`` against ``server``."""
    environment = {**os.environ, "HOTSWAP_URL": server.url, "HOTSWAP_TOKEN": server.token}
    return subprocess.Popen(
        [BIN / "hotswap", *arguments], env=environment, stderr=subprocess.PIPE, text=True
    )


def kill(server: Server) -> None:
    """End the main process and its workers with SIGKILL."""
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()


SERVE: list[str | Path] = [BIN / "hotswap", "serve", "--workers", "1"]


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    """A server with one worker and two versions of ``batches``, the first in production."""
    with running(SERVE, tmp_path / "data", free_port()) as started:
        for version in (1, 2):
            upload(started, "batches", description=f"{version}")
        started.call("POST", "/models/batches/1/promote").raise_for_status()
        yield started


@pytest.mark.slow
def test_a_run_outlives_a_promotion_replaced_workers_and_a_killed_service(
    mortal: Server, tmp_path: Path
) -> None:
    data, out = tmp_path / "in.parquet", tmp_path / "out.csv"
    write_rows(data, ROWS)
    parts = tmp_path / "out.csv.parts"

    def wait_for_parts(count: int) -> None:
        wait_until(lambda: len(list(parts.glob("*.part"))) >= count, f"no {count} parts")

    process = in_background(mortal, "predict", "batches", "--data", str(data), "--out", str(out))
    try:
        wait_for_parts(3)
        mortal.call("POST", "/models/batches/2/promote").raise_for_status()
        mortal.process.send_signal(signal.SIGHUP)
        wait_for_parts(10)
        kill(mortal)
        with running(SERVE, mortal.data, mortal.port):
            _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert f"{ROWS:,} rows, batches version 1, " in said
    with out.open("rb") as lines:
        assert sum(1 for _ in lines) == 1 + ROWS


@pytest.mark.slow  # integration/client/test_file_runs.py has the interruption of retries
def test_an_interrupted_command_ends_while_the_service_is_away_and_is_resumed(
    mortal: Server, tmp_path: Path
) -> None:
    data, out = tmp_path / "in.parquet", tmp_path / "out.csv"
    write_rows(data, ROWS // 2)
    command = ["predict", "batches", "--data", str(data), "--out", str(out)]
    process = in_background(mortal, *command)
    try:
        wait_until(lambda: len(list((tmp_path / "out.csv.parts").glob("*.part"))) >= 3, "no parts")
        kill(mortal)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Run the command again with --resume" in said
    with running(SERVE, mortal.data, mortal.port) as again:
        assert again.hotswap(*command, "--resume").returncode == 0
    with out.open("rb") as lines:
        assert sum(1 for _ in lines) == 1 + ROWS // 2


@pytest.mark.slow  # integration/client/test_file_runs.py has it with a fake service
def test_an_archived_version_and_a_revoked_token_end_a_run_which_keeps_its_parts(
    server: Server, registry: Registry, tmp_path: Path
) -> None:
    upload(server, "archived")
    data, out = tmp_path / "in.parquet", tmp_path / "out.csv"
    write_rows(data, 500_000)
    made = registry.create_token("batch", scopes=["predict"])
    once = threading.Event()

    def revoke(rows: int, end: float, *, resumed: bool) -> None:
        if not once.is_set():
            registry.revoke_token(made["id"])
            once.set()

    def archive(rows: int, end: float, *, resumed: bool) -> None:
        if not resumed:
            server.call("DELETE", "/models/archived/1")

    with Registry(server.url, made["token"]) as limited, pytest.raises(errors.Unauthenticated):
        predict_file(limited, "archived", str(data), str(out), version=1, progress=revoke)
    for _ in range(2):
        with pytest.raises(VersionNotFound, match="is archived: it can be read but not"):
            predict_file(
                *(registry, "archived", str(data), str(out)),
                version=1,
                resume=True,
                progress=archive,
            )
    assert list((tmp_path / "out.csv.parts").glob("*.part"))
    assert not out.exists()
