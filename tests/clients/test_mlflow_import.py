"""``hotswap import mlflow`` from registries that MLflow itself has made."""

import json
import math
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from conftest import ADMIN_TOKEN, ROOT, House, call, wait_until_ready
from mlflow import MlflowClient
from mlflow.pyfunc import PythonModel
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from hotswap import Registry

PAGE = (ROOT / "docs" / "migrating.md").read_text()
FRAME, LABELS = load_iris(return_X_y=True, as_frame=True)
REQUIREMENTS = ["scikit-learn"]  # so that MLflow does not start a process to find them out


class Echo(PythonModel):
    """A model of the flavor python_function alone."""

    def predict(self, context, model_input):  # noqa: ARG002 - MLflow's own signature
        return model_input


def log(model: Any, metrics: dict[str, float], **more: Any) -> str:
    """Log ``model`` in a run of its own; its address."""
    with mlflow.start_run():
        mlflow.log_metrics(metrics)
        if isinstance(model, PythonModel):
            logged = mlflow.pyfunc.log_model(
                name="model", python_model=model, pip_requirements=REQUIREMENTS
            )
        else:
            logged = mlflow.sklearn.log_model(
                model, name="model", pip_requirements=REQUIREMENTS, **more
            )
            mlflow.log_metric("of_model", 0.5, model_id=logged.model_id)
    return logged.model_uri


def fill(uri: str, name: str) -> str:
    """Register six versions of ``name``: the third and the fifth cannot come, the fourth is deleted
    again. Returns the address of the first."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(experiment_id="0")  # another file may have set one of its own server
    client = MlflowClient()
    client.create_registered_model(name, {"team": "flowers"}, "Irises")
    line = LogisticRegression(max_iter=500).fit(FRAME, LABELS)
    forest = RandomForestClassifier(5, random_state=0).fit(FRAME.to_numpy(), LABELS)
    first = log(line, {"accuracy": 0.9, "loss": math.nan, "ratio": math.inf},
                serialization_format="skops", input_example=FRAME.head(2))  # fmt: skip
    second = log(forest, {"accuracy": 0.95}, serialization_format="cloudpickle")
    scaler = log(StandardScaler().fit(FRAME), {}, serialization_format="pickle")
    for logged in (first, second, log(Echo(), {}), first, scaler, first):
        mlflow.register_model(logged, name)
    client.delete_model_version(name, "4")
    client.update_model_version(name, "1", "The first")
    client.set_model_version_tag(name, "2", "data", "2025")
    client.set_registered_model_alias(name, "champion", "2")
    client.set_registered_model_alias(name, "Blue", "6")
    client.set_registered_model_alias(name, "echo", "3")
    return first


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of an MLflow server with its defaults, and its folder."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"],
            cwd=folder,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(process, f"{url}/health", folder / "log")
        logged = fill(url, "of-server")
        for _ in range(8):
            mlflow.register_model(logged, "of-database")
        MlflowClient().set_registered_model_alias("of-database", "champion", "8")
        yield url, folder
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What MLflow's file store writes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        runs = tmp_path_factory.mktemp("files") / "mlruns"
        fill(f"file://{runs}", "of-folder")
    return runs


@pytest.fixture
def registry(house: House) -> Iterator[Registry]:
    with Registry(house.url, ADMIN_TOKEN) as made:
        yield made


def environment(house: House) -> dict[str, str]:
    return {**os.environ, "HOTSWAP_URL": house.url, "HOTSWAP_TOKEN": ADMIN_TOKEN}


def imported(house: House, source: str, *more: str) -> dict[str, Any]:
    """The report of an import, or of its plan with ``--dry-run``."""
    done = subprocess.run(
        [ROOT / ".venv/bin/hotswap", "import", "mlflow", "--from", source, "--json",
         *(more or ("--yes",))],
        env=environment(house),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stderr
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def outcomes(report: dict[str, Any], name: str) -> dict[str, str]:
    (model,) = [each for each in report["models"] if each["model"] == name]
    found = {each["source"]: each["outcome"] for each in model["versions"]}
    return found | {each["alias"]: each["outcome"] for each in model["aliases"]}


def check_imported(registry: Registry, uri: str, name: str) -> None:
    """Compare what is here with what is there, and the predictions of both."""
    mlflow.set_tracking_uri(uri)
    there = MlflowClient()
    model = registry.model(name)
    assert (model["description"], model["tags"]) == ("Irises", {"team": "flowers"})
    assert model["aliases"] == {"champion": 2, "Blue": 6}
    versions = {each["version"]: each for each in registry.versions(name)}
    assert set(versions) == {1, 2, 6}
    assert versions[1]["metrics"] == {"accuracy": 0.9, "of_model": 0.5}
    assert versions[2]["metrics"] == {"accuracy": 0.95, "of_model": 0.5}
    assert (versions[1]["description"], versions[2]["tags"]) == ("The first", {"data": "2025"})
    assert list(versions[1]["input_example"].values()) == FRAME.iloc[0].tolist()
    assert [each["name"] for each in versions[1]["signature"]["inputs"]] == list(FRAME.columns)
    for number, rows in ((1, FRAME), (2, FRAME.to_numpy()), (6, FRAME)):
        known = there.get_model_version(name, str(number))
        assert versions[number]["lineage"]["mlflow"]["run_id"] == known.run_id
        expected = mlflow.sklearn.load_model(f"models:/{name}/{number}").predict(rows)
        given = registry.predict(name, rows, version=number)["predictions"]
        assert given == expected.tolist()


EXPECTED = {
    "1": "imported", "2": "imported", "3": "refused", "5": "refused", "6": "imported",
    "champion": "imported", "Blue": "imported", "echo": "refused",
}  # fmt: skip
AGAIN = {key: value.replace("imported", "present") for key, value in EXPECTED.items()}


def test_a_server_is_imported(
    house: House, registry: Registry, server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = server
    plan = imported(house, url, "--model", "of-server", "--dry-run")
    assert plan["dry_run"]
    assert outcomes(plan, "of-server")["1"] == "planned"
    assert "of-server" not in {each["name"] for each in registry.models()}

    report = imported(house, url, "--model", "of-server", "--yes")

    assert outcomes(report, "of-server") == EXPECTED
    check_imported(registry, url, "of-server")
    reasons = {each["source"]: each["reason"] for each in report["models"][0]["versions"]}
    assert "python_function alone" in reasons["3"]
    assert "StandardScaler" in reasons["5"]
    # The database of the server is the same registry.
    database = f"sqlite:///{folder / 'mlflow.db'}"
    for source in (url, database):
        again = imported(house, source, "--model", "of-server", "--yes")
        assert outcomes(again, "of-server") == AGAIN
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", ADMIN_TOKEN)
    ours, there = MlflowClient(house.url, house.url), MlflowClient(url, url)
    known = there.get_model_version_by_alias("of-server", "champion")
    here = ours.get_model_version_by_alias("of-server", "champion")
    assert (here.version, here.source, here.run_id) == (known.version, known.source, known.run_id)
    (found,) = ours.search_model_versions(f"run_id = '{known.run_id}'")
    assert (found.name, found.version) == ("of-server", "2")


def test_a_folder_is_imported(
    house: House, registry: Registry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    for expected in (EXPECTED, AGAIN):
        assert outcomes(imported(house, str(folder)), "of-folder") == expected
    check_imported(registry, f"file://{folder}", "of-folder")


def test_an_import_that_is_killed_is_continued(
    house: House, registry: Registry, server: tuple[str, Path]
) -> None:
    database = f"sqlite:///{server[1] / 'mlflow.db'}"
    killed = subprocess.Popen(
        [ROOT / ".venv/bin/hotswap", "import", "mlflow", "--from", database, "--model",
         "of-database", "--yes"],
        env=environment(house),
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and killed.poll() is None:
        models = {each["name"]: each["last_version"] for each in registry.models("of-database")}
        if (models.get("of-database") or 0) >= 2:
            break
        time.sleep(0.05)
    killed.kill()
    killed.wait(30)

    imported(house, database, "--model", "of-database", "--yes")

    numbers = [each["version"] for each in registry.versions("of-database")]
    assert numbers == [8, 7, 6, 5, 4, 3, 2, 1]
    assert registry.model("of-database")["aliases"] == {"champion": 8}
    history = call(f"{house.url}/models/of-database/history?page_size=200", ADMIN_TOKEN)["items"]
    registered = [each["to_version"] for each in history if each["type"] == "registered"]
    assert sorted(registered) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert len([each for each in history if each["type"] == "promoted"]) == 1


def test_the_commands_of_the_page_run(house: House, server: tuple[str, Path]) -> None:
    section = PAGE.partition("## From MLflow\n")[2].partition("\n## ")[0]
    (commands,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    for line in commands.replace("http://127.0.0.1:5000", server[0]).splitlines():
        program, *arguments = shlex.split(line)
        assert program == "hotswap"
        done = subprocess.run(
            [ROOT / ".venv/bin/hotswap", *arguments],
            env=environment(house),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 1, done.stderr  # two versions cannot come
        assert "of-server 3: not imported: " in done.stdout
