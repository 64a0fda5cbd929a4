"""Our plugin in MLflow: tracking in a local database, the registry in the service."""

import os
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from itertools import count
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import requests
from conftest import ADMIN_TOKEN, ROOT, House, call
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_mlflow import refused

from hotswap.errors import ServiceUnreachable

FLOWERS, SPECIES = load_iris(return_X_y=True, as_frame=True)
PATIENTS, PROGRESS = load_diabetes(return_X_y=True, as_frame=True)
_numbers = count(1)


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """MLflow with tracking in a SQLite database, and an experiment for the runs."""
    folder = tmp_path_factory.mktemp("tracking")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(
        experiment_id=mlflow.create_experiment("ours", (folder / "files").as_uri())
    )
    yield uri
    mlflow.set_tracking_uri("")


@pytest.fixture(scope="module")
def token(house: House) -> str:
    """Only the plugin uploads with it: each token sees its own uploads."""
    body = {"name": "plugin", "scopes": ["admin"]}
    return call(f"{house.url}/tokens", ADMIN_TOKEN, body)["token"]


@pytest.fixture
def client(
    tracking: str, house: House, token: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MlflowClient]:
    """The token of the tracking server is another one, and must not be sent to the service."""
    monkeypatch.setenv("HOTSWAP_TOKEN", token)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "of-the-tracking-server")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "")  # set_registry_uri sets it
    mlflow.set_registry_uri(f"hotswap+{house.url}")
    yield MlflowClient()
    mlflow.set_registry_uri("")


@pytest.fixture
def name() -> str:
    return f"plugin-{next(_numbers)}"


@pytest.fixture
def logged(client: MlflowClient, name: str) -> mlflow.models.model.ModelInfo:
    """A model with a registered version, by the one call that MLflow's users know."""
    model = LinearRegression().fit(PATIENTS, PROGRESS)
    with mlflow.start_run():
        return mlflow.sklearn.log_model(
            model, name="model", input_example=PATIENTS[:2], registered_model_name=name
        )


def uploads(house: House) -> dict[str, object]:
    """What is staged on the service."""
    url = f"{house.url}/api/2.0/mlflow-artifacts/artifacts?path=uploads"
    return call(url, os.environ["HOTSWAP_TOKEN"])


def served(house: House, model: str, frame: pd.DataFrame) -> list[object]:
    rows = frame.to_dict("list")
    return house.predict(model, {"inputs": rows})["predictions"]


def test_mlflow_finds_the_plugin_by_the_scheme_of_the_uri():
    stores = entry_points(group="mlflow.model_registry_store")
    assert {one.name for one in stores if one.dist.name == "hotswap-client"} == {
        "hotswap",
        "hotswap+http",
        "hotswap+https",
    }


TWICE = """
import warnings
warnings.simplefilter("error", UserWarning)
from importlib.metadata import entry_points
from mlflow import MlflowClient
print(sorted(one.dist.name for one in entry_points(name="hotswap")))
print(MlflowClient("sqlite://", "hotswap://").get_registered_model("iris").name)
"""


def test_the_service_in_the_same_environment_changes_nothing(house, tmp_path):
    """It declares the same entry points; MLflow would warn of one that it cannot load."""
    described = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    record = tmp_path / "hotswap-0.1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: hotswap\nVersion: 0.1.0\n")
    (record / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{name} = {at}\n" for name, at in points.items())
            for group, points in described.items()
        )
    )
    settings = {"HOTSWAP_URL": house.url, "HOTSWAP_TOKEN": ADMIN_TOKEN, "PYTHONPATH": str(tmp_path)}
    said = subprocess.run(
        [sys.executable, "-c", TWICE],
        env={**os.environ, **settings},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert said.stdout.splitlines() == ["['hotswap', 'hotswap-client']", "iris"], said.stderr


@pytest.mark.parametrize("format_", ["skops", "cloudpickle"])
def test_a_logged_model_is_registered_served_and_loaded(client, house, name, format_):
    forest = RandomForestClassifier(n_estimators=5, random_state=0).fit(FLOWERS, SPECIES)
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(
            forest,
            name="model",
            input_example=FLOWERS[:2],
            registered_model_name=name,
            serialization_format=format_,
            skops_trusted_types=["sklearn.tree._tree.Tree"] if format_ == "skops" else None,
        )

    assert info.registered_model_version == "1"
    version = client.get_model_version(name, "1")
    assert (version.status, version.run_id) == ("READY", run.info.run_id)
    client.set_registered_model_alias(name, "production", "1")
    history = call(f"{house.url}/models/{name}/history", ADMIN_TOKEN)["items"]
    assert {event["type"] for event in history} >= {"model_created", "promoted"}
    assert all(event["details"]["via"] == "mlflow" for event in history)
    expected = forest.predict(FLOWERS).tolist()
    assert served(house, name, FLOWERS) == expected
    for uri in (f"models:/{name}@production", f"models:/{name}/1", f"models:/{name}/latest"):
        loaded = mlflow.pyfunc.load_model(uri)
        assert loaded.predict(FLOWERS).tolist() == expected
    assert uploads(house) == {}


def test_a_pipeline_predicts_the_same_after_loading(client, house, name):
    pipeline = make_pipeline(StandardScaler(), LinearRegression()).fit(PATIENTS, PROGRESS)
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            pipeline, name="model", input_example=PATIENTS[:2], registered_model_name=name
        )
    client.set_registered_model_alias(name, "production", "1")

    expected = pipeline.predict(PATIENTS)
    loaded = mlflow.pyfunc.load_model(f"models:/{name}@production").predict(PATIENTS)
    # MLflow copies the table, and numpy adds columns of another layout in another order.
    assert loaded.tolist() == pytest.approx(expected, rel=1e-12)
    assert served(house, name, PATIENTS) == pytest.approx(expected, rel=1e-12)


def test_a_model_that_was_logged_before_is_downloaded_and_registered(client, house, name):
    model = LinearRegression().fit(PATIENTS, PROGRESS)
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(model, name="model", input_example=PATIENTS[:2])

    by_id = mlflow.register_model(f"models:/{info.model_id}", name, tags={"from": "id"})
    by_run = mlflow.register_model(f"runs:/{run.info.run_id}/model", name)

    assert (by_id.version, by_id.tags, by_run.version) == ("1", {"from": "id"}, "2")
    found = client.search_model_versions(f"run_id = '{run.info.run_id}'")
    assert [one.version for one in found] == ["2", "1"]
    assert uploads(house) == {}


def test_a_directory_is_registered(client, tmp_path, name):
    model = LinearRegression().fit(PATIENTS, PROGRESS)
    mlflow.sklearn.save_model(model, tmp_path / "model", input_example=PATIENTS[:2])
    assert mlflow.register_model(str(tmp_path / "model"), name).version == "1"


def test_a_version_is_copied_by_the_service(client, logged, house, name):
    client.set_registered_model_alias(name, "best", "1")
    copied = client.copy_model_version(f"models:/{name}@best", f"{name}-copy")
    assert (copied.name, copied.version) == (f"{name}-copy", "1")
    assert copied.source == f"models:/{name}/1"
    client.set_registered_model_alias(copied.name, "production", "1")
    loaded = mlflow.pyfunc.load_model(f"models:/{copied.name}@production")
    assert served(house, copied.name, PATIENTS) == pytest.approx(loaded.predict(PATIENTS).tolist())


def test_models_and_versions_are_searched_tagged_and_deleted(client, logged, name):
    assert [one.name for one in client.search_registered_models(f"name = '{name}'")] == [name]
    assert [one.version for one in client.search_model_versions(f"name = '{name}'")] == ["1"]
    client.update_registered_model(name, "a model")
    client.set_registered_model_tag(name, "owner", "data")
    client.set_model_version_tag(name, "1", "checked", "yes")
    client.set_registered_model_alias(name, "best", "1")

    model = client.get_registered_model(name)
    assert (model.description, model.tags, model.aliases) == (
        "a model",
        {"owner": "data"},
        {"best": "1"},
    )
    assert client.get_model_version_by_alias(name, "best").tags["checked"] == "yes"
    client.delete_registered_model_alias(name, "best")
    client.delete_model_version(name, "1")
    assert list(client.search_model_versions(f"name = '{name}'")) == []
    client.delete_registered_model(name)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, name)


def test_the_files_of_a_version_are_read_only(client, logged, name, tmp_path):
    folder = mlflow.artifacts.download_artifacts(f"models:/{name}/1", dst_path=str(tmp_path))
    assert Path(folder, "MLmodel").is_file()
    uri = client.get_model_version_download_uri(name, "1")
    assert uri.startswith("hotswap+http://")
    repository = get_artifact_repository(uri)
    with pytest.raises(MlflowException, match="register another version"):
        repository.log_artifact(str(Path(folder, "MLmodel")))
    missing = repository.artifact_uri.removesuffix("/1") + "/99"
    refused("RESOURCE_DOES_NOT_EXIST", get_artifact_repository(missing).list_artifacts)


def test_the_token_is_sent_to_the_registry_alone(client):
    """A tracking server could name a host of its own as the place of a run's files."""
    elsewhere = "hotswap+http://127.0.0.1:9/api/2.0/mlflow-artifacts/artifacts/models/iris/1"
    with pytest.raises(MlflowException, match="The token is not sent to"):
        mlflow.artifacts.download_artifacts(elsewhere)


def test_without_a_token_the_message_names_the_variable(client, name, monkeypatch):
    monkeypatch.delenv("HOTSWAP_TOKEN")
    message = refused("UNAUTHENTICATED", client.create_registered_model, name)
    assert "set the environment variable HOTSWAP_TOKEN" in message
    with pytest.raises(MlflowException, match="HOTSWAP_TOKEN"):
        mlflow.pyfunc.load_model(f"models:/{name}@production")


def test_a_token_that_may_not_register_is_named(client, house, name, monkeypatch):
    monkeypatch.setenv("HOTSWAP_TOKEN", house.token)
    message = refused("PERMISSION_DENIED", client.create_registered_model, name)
    assert "lacks the scope 'upload'" in message
    assert "HOTSWAP_TOKEN" in message
    monkeypatch.setenv("HOTSWAP_TOKEN", "hsw_wrong")
    message = refused("UNAUTHENTICATED", client.create_registered_model, name)
    assert "The token is not valid" in message


def test_a_service_that_cannot_be_reached_is_reported(client, name):
    """By the client's own few attempts; MLflow's repeat for minutes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        unreachable = MlflowClient(
            registry_uri=f"hotswap+http://127.0.0.1:{probe.getsockname()[1]}"
        )
        for function in (unreachable.create_registered_model, unreachable.get_registered_model):
            with pytest.raises(MlflowException, match="the connection was refused") as caught:
                function(name)
            assert caught.value.error_code == "TEMPORARILY_UNAVAILABLE"
            assert isinstance(caught.value.__cause__, ServiceUnreachable)


class Doubled(mlflow.pyfunc.PythonModel):
    """A model of a flavor that the service does not accept."""

    def predict(self, model_input: list[float]) -> list[float]:
        return [2 * each for each in model_input]


def test_a_model_of_another_flavor_is_refused_and_leaves_nothing(client, house, name):
    with mlflow.start_run(), pytest.raises(MlflowException) as caught:
        mlflow.pyfunc.log_model(name="model", python_model=Doubled(), registered_model_name=name)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert "python_function" in caught.value.message
    assert list(client.search_model_versions(f"name = '{name}'")) == []
    assert uploads(house) == {}


def test_a_prompt_is_refused_and_makes_no_model(client, name):
    message = refused(
        "INVALID_PARAMETER_VALUE", mlflow.genai.register_prompt, name, "Answer {{question}}"
    )
    assert "no prompts" in message
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, name)


def test_a_directory_without_a_model_is_refused(client, house, tmp_path, name):
    (tmp_path / "text").write_text("no model")
    message = refused("INVALID_PARAMETER_VALUE", mlflow.register_model, str(tmp_path), name)
    assert "it has no MLmodel" in message
    assert uploads(house) == {}


def test_an_address_below_which_there_is_no_registry_is_reported(client, house, name):
    lost = MlflowClient(registry_uri=f"hotswap+{house.url}/nowhere")
    with pytest.raises(MlflowException, match=r"^404: .*not found"):
        lost.get_registered_model(name)


def test_another_registry_is_reached_with_its_own_credentials(tracking, house, monkeypatch):
    """A plain ``http://`` URI still uses MLFLOW_TRACKING_TOKEN."""
    monkeypatch.delenv("HOTSWAP_TOKEN", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", ADMIN_TOKEN)
    plain = MlflowClient(registry_uri=house.url)
    assert plain.get_registered_model("iris").name == "iris"


def test_predictions_are_those_of_the_route_for_mlflow(client, logged, house, name):
    client.set_registered_model_alias(name, "production", "1")
    body = {"dataframe_split": PATIENTS[:5].to_dict("split", index=False)}
    reply = requests.post(
        f"{house.url}/models/{name}/invocations", json=body, headers=house.headers, timeout=60
    )
    assert reply.json()["predictions"] == served(house, name, PATIENTS[:5])
