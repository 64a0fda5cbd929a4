"""``hotswap retrain`` and a real server: killed, run twice at a time, or without the server."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_diabetes

from hotswap import Registry
from tests.system.real_server import BIN, Server, free_port, running

RECIPE = (
    'name = "{name}"\ndata = "sklearn:diabetes"\nkind = "forest"\n[params]\nn_estimators = 30\n'
)


def recipe(folder: Path, name: str) -> Path:
    file = folder / f"{name}.toml"
    file.write_text(RECIPE.format(name=name))
    return file


def start(server: Server, file: Path, *more: str, token: str = "") -> subprocess.Popen[str]:
    """The command in a new process, outside of any repository."""
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
    """Return as soon as ``process`` reports ``stage``."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(stage):
            return
    pytest.fail(f"it ended before {stage}")


def happened(server: Server, name: str) -> list[str]:
    """The types of a model's events, oldest first."""
    events = server.call("GET", f"/models/{name}/history").json()["items"]
    return [event["type"] for event in reversed(events)]


ONCE = ["model_created", "registered", "promoted"]


@pytest.mark.slow  # integration/cli/test_retrain.py has a run interrupted at any request
@pytest.mark.parametrize("stage", ["uploading", "promoting"])
def test_a_killed_run_repeated_makes_one_version_and_one_promotion(
    server: Server, tmp_path: Path, stage: str
) -> None:
    file = recipe(tmp_path, f"killed-while-{stage}")
    killed = start(server, file)
    until(killed, stage)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()

    again = start(server, file, "--json")
    output, errors = again.communicate(timeout=300)

    assert again.returncode == 0, errors
    assert json.loads(output)["version"]["version"] == 1
    assert happened(server, file.stem) == ONCE


@pytest.mark.slow  # integration/cli/test_retrain.py has two jobs at once
@pytest.mark.parametrize("names", [("ci", "ci"), ("ci", "nightly")])
def test_two_concurrent_jobs_for_one_commit_make_one_version_and_one_promotion(
    server: Server, tmp_path: Path, names: tuple[str, str]
) -> None:
    file = recipe(tmp_path, f"twins-{'-'.join(names)}")
    rights = {"scopes": ["upload", "promote"]}
    tokens = {
        name: server.call("POST", "/tokens", json={"name": name, **rights}).json()["token"]
        for name in names
    }
    twins = [start(server, file, "--json", token=tokens[name]) for name in names]
    outputs = [twin.communicate(timeout=300) for twin in twins]

    assert [twin.returncode for twin in twins] == [0, 0], outputs
    reports = [json.loads(output) for output, _ in outputs]
    assert [report["version"]["version"] for report in reports] == [1, 1]
    assert [report["outcome"] for report in reports] == ["promoted", "promoted"]
    # The second upload is recorded where it began before the first had ended.
    events = [event for event in happened(server, file.stem) if event != "upload_reused"]
    assert events == ONCE


@pytest.mark.slow
def test_the_registry_measures_the_new_version_and_refuses_a_worse_one(
    server: Server, tmp_path: Path
) -> None:
    """Three recipes of the same data: a deep tree, a shallow one, and a forest."""
    name = "measured"
    server.call("POST", "/models", json={"name": name}).raise_for_status()
    table = load_diabetes(as_frame=True).frame
    with Registry(server.url, server.token) as registry:
        registry.set_holdout(name, table.iloc[:150], target="target")
        registry.set_policy(name, ["rmse <= champion * 1.02"])
    table.iloc[150:].to_csv(tmp_path / "train.csv", index=False)

    def ended(kind: str, params: str, *gates: str) -> tuple[int, dict[str, Any]]:
        text = f'name = "{name}"\ndata = "train.csv"\ntarget = "target"\nkind = "{kind}"\n'
        file = tmp_path / "measured.toml"
        file.write_text(f"{text}gates = {json.dumps(gates)}\n[params]\n{params}\n")
        process = start(server, file, "--json")
        output, _ = process.communicate(timeout=300)
        return process.returncode, json.loads(output)

    code, first = ended("tree", "max_depth = 3")
    assert code == 0
    code, worse = ended("tree", "max_depth = 1", "signature compatible")
    assert code == 10
    (failed,) = (gate for gate in worse["gates"] if not gate["passed"])
    assert failed["gate"] == "rmse <= champion * 1.02"
    assert failed["measured"] == "holdout"
    assert failed["candidate"] > failed["champion"] * 1.02
    assert worse["version"]["lineage"]["parent_version"] == 1
    code, better = ended("forest", "n_estimators = 50", "rmse < champion")
    assert code == 0
    assert better["promotion"]["previous_version"] == 1
    assert [gate["measured"] for gate in better["gates"]] == ["holdout", "holdout"]
    assert first["version"]["version"] == 1


@pytest.mark.slow
def test_an_invalid_gate_is_reported_before_the_training(server: Server, tmp_path: Path) -> None:
    process = start(server, recipe(tmp_path, "misread"), "--gate", "rmse <<< 3")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "'rmse <<< 3', at character 7" in errors
    assert "fitting" not in errors


@pytest.mark.slow  # integration/cli/test_retrain.py has it
def test_a_token_without_the_scope_promote_exits_1_and_leaves_the_version(
    server: Server, tmp_path: Path
) -> None:
    file = recipe(tmp_path, "half")
    body = {"name": "half", "scopes": ["upload"]}
    uploader = server.call("POST", "/tokens", json=body).json()["token"]
    refused = start(server, file, token=uploader)
    _, errors = refused.communicate(timeout=300)

    assert refused.returncode == 1
    assert "Version 1 of half was uploaded, but not promoted." in errors
    assert happened(server, "half") == ONCE[:2]


@pytest.mark.slow
def test_a_server_that_dies_ends_the_run_with_3_and_the_run_can_be_repeated(
    tmp_path: Path,
) -> None:
    file = recipe(tmp_path, "left")
    command: list[str | Path] = [BIN / "hotswap", "serve", "--workers", "1"]
    data, port = tmp_path / "data", free_port()
    with running(command, data, port) as server:
        process = start(server, file, "--patience", "3")
        until(process, "uploading")
        os.killpg(server.process.pid, signal.SIGKILL)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 3, errors
    assert "Trying again" in errors
    assert "cannot be reached" in errors

    with running(command, data, port) as server:
        again = start(server, file)
        _, errors = again.communicate(timeout=300)
        assert again.returncode == 0, errors
        assert happened(server, "left") == ONCE
