"""``hotswap retrain`` and a real server: killed, twice at once, or left without the server."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.system.real_server import BIN, Server, free_port, running

RECIPE = (
    'name = "{name}"\ndata = "sklearn:diabetes"\nkind = "forest"\n[params]\nn_estimators = 30\n'
)


def recipe(folder: Path, name: str) -> Path:
    file = folder / f"{name}.toml"
    file.write_text(RECIPE.format(name=name))
    return file


def start(server: Server, file: Path, *more: str, token: str = "") -> subprocess.Popen[str]:
    """The command in a process of its own, outside of any repository."""
    return subprocess.Popen(
        [BIN / "hotswap", "retrain", str(file), *more],
        cwd=file.parent,
        env={
            **os.environ,
            "HOTSWAP_URL": server.url,
            "HOTSWAP_TOKEN": token or server.token,
            "GITHUB_STEP_SUMMARY": "",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(process: subprocess.Popen[str], stage: str) -> None:
    """Return as soon as ``process`` says that it does ``stage``."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(stage):
            return
    pytest.fail(f"it ended before {stage}")


def happened(server: Server, name: str) -> list[str]:
    """What happened to a model, oldest first."""
    events = server.call("GET", f"/models/{name}/history").json()["items"]
    return [event["type"] for event in reversed(events)]


ONCE = ["model_created", "registered", "promoted"]


@pytest.mark.parametrize("stage", ["uploading", "promoting"])
def test_killed_and_run_again_it_makes_one_version_and_one_promotion(
    server: Server, tmp_path: Path, stage: str
) -> None:
    file = recipe(tmp_path, f"killed-while-{stage}")
    killed = start(server, file)
    until(killed, stage)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()

    again = start(server, file, "--json")
    output, errors = again.communicate(timeout=60)

    assert again.returncode == 0, errors
    assert json.loads(output)["version"]["version"] == 1
    assert happened(server, file.stem) == ONCE


def test_two_jobs_for_one_commit_at_once_make_one_version_and_one_promotion(
    server: Server, tmp_path: Path
) -> None:
    file = recipe(tmp_path, "twins")
    twins = [start(server, file, "--json") for _ in range(2)]
    outputs = [twin.communicate(timeout=90) for twin in twins]

    assert [twin.returncode for twin in twins] == [0, 0], outputs
    reports = [json.loads(output) for output, _ in outputs]
    assert [report["version"]["version"] for report in reports] == [1, 1]
    assert [report["outcome"] for report in reports] == ["promoted", "promoted"]
    assert happened(server, "twins") == ONCE


def test_a_token_that_may_upload_and_not_promote_exits_1_and_leaves_the_version(
    server: Server, tmp_path: Path
) -> None:
    file = recipe(tmp_path, "half")
    body = {"name": "half", "scopes": ["upload"]}
    uploader = server.call("POST", "/tokens", json=body).json()["token"]
    refused = start(server, file, token=uploader)
    _, errors = refused.communicate(timeout=60)

    assert refused.returncode == 1
    assert "Version 1 of half was uploaded, but not promoted." in errors
    assert happened(server, "half") == ONCE[:2]


def test_a_server_that_dies_in_the_middle_ends_it_with_3_and_it_can_be_run_again(
    tmp_path: Path,
) -> None:
    file = recipe(tmp_path, "left")
    command: list[str | Path] = [BIN / "hotswap", "serve", "--workers", "1"]
    data, port = tmp_path / "data", free_port()
    with running(command, data, port) as server:
        process = start(server, file, "--patience", "3")
        until(process, "uploading")
        os.killpg(server.process.pid, signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 3, errors
    assert "Trying again" in errors
    assert "cannot be reached" in errors

    with running(command, data, port) as server:
        again = start(server, file)
        _, errors = again.communicate(timeout=60)
        assert again.returncode == 0, errors
        assert happened(server, "left") == ONCE
