"""MLflow, unmodified: model directories are uploaded, registered, promoted and loaded again."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from urllib.request import Request, urlopen

import mlflow
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from conftest import ADMIN_TOKEN, House, call
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts, list_artifacts
from mlflow.models import infer_signature
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from test_mlflow import refused

FLOWERS, SPECIES = load_iris(return_X_y=True, as_frame=True)
PATIENTS, PROGRESS = load_diabetes(return_X_y=True, as_frame=True)
TRUSTED = ["sklearn.tree._tree.Tree", "numpy.dtype"]
_numbers = count(1)


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'mlflow.db'}"


@pytest.fixture
def client(tracking: str, house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowClient]:
    """Tracking is elsewhere; all of MLflow's own calls use the registry."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", ADMIN_TOKEN)
    mlflow.set_tracking_uri(tracking)
    mlflow.set_registry_uri(house.url)
    yield MlflowClient(registry_uri=house.url)
    uploads = get_artifact_repository(f"{house.url}/api/2.0/mlflow-artifacts/artifacts/uploads")
    for each in uploads.list_artifacts():
        uploads.delete_artifacts(each.path)
    mlflow.set_registry_uri("")
    mlflow.set_tracking_uri("")


@pytest.fixture
def name(client: MlflowClient) -> str:
    """A model without versions."""
    name = f"loaded-{next(_numbers)}"
    client.create_registered_model(name)
    return name


@pytest.fixture
def registry(client: MlflowClient, house: House, name: str) -> tuple[MlflowClient, House, str]:
    return client, house, name


def upload(house: House, directory: Path, name: str) -> str:
    """Upload a model directory with MLflow's own repository of artifacts; its source."""
    base = f"{house.url}/api/2.0/mlflow-artifacts/artifacts/uploads/{name}"
    get_artifact_repository(base).log_artifacts(str(directory))
    return f"mlflow-artifacts:/uploads/{name}"


def saved(model: object, frame: pd.DataFrame, directory: Path, format_: str = "skops") -> Path:
    mlflow.sklearn.save_model(
        model,
        directory,
        serialization_format=format_,
        signature=infer_signature(frame, model.predict(frame)),
        input_example=frame[:2],
        skops_trusted_types=TRUSTED if format_ == "skops" else None,
        pip_requirements=["mlflow", "scikit-learn"],  # or MLflow loads the model to find them
    )
    return directory


def served(house: House, model: str, frame: pd.DataFrame) -> list[object]:
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return house.predict(model, {"instances": rows})["predictions"]


def cells() -> tuple[pd.DataFrame, object]:
    """Rows with texts and missing numbers, and a model of them."""
    frame = pd.DataFrame({"size": [1.5, None, 3.0, 4.0] * 5, "town": ["a", "b", "a", "c"] * 5})
    columns = ColumnTransformer(
        [
            ("numbers", SimpleImputer(), ["size"]),
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["town"]),
        ]
    )
    model = make_pipeline(columns, LinearRegression())
    return frame, model.fit(frame, np.arange(20.0))


MODELS = {
    "forest": lambda: (FLOWERS, RandomForestClassifier(5, random_state=0).fit(FLOWERS, SPECIES)),
    "line": lambda: (PATIENTS, LinearRegression().fit(PATIENTS, PROGRESS)),
    "cells": cells,
}


@pytest.mark.parametrize(
    ("kind", "format_"),
    [("forest", "skops"), ("line", "pickle"), ("line", "cloudpickle"), ("cells", "skops")],
)
def test_a_saved_model_is_registered_served_and_loaded_with_equal_predictions(
    registry, tmp_path, kind, format_
):
    client, house, name = registry
    frame, model = MODELS[kind]()
    source = upload(house, saved(model, frame, tmp_path / "model", format_), name)
    version = client.create_model_version(name, source, run_id="r", tags={"k": "v"})
    assert (version.version, version.status, version.source) == ("1", "READY", source)
    assert (version.tags, version.run_id) == ({"k": "v"}, "r")
    event = call(f"{house.url}/models/{name}/history?page_size=1", ADMIN_TOKEN)["items"][0]
    assert (event["type"], event["details"]["via"]) == ("registered", "mlflow")

    client.set_registered_model_alias(name, "champion", "1")
    expected = model.predict(frame)
    for uri in (f"models:/{name}/1", f"models:/{name}@champion", f"models:/{name}/latest"):
        # MLflow copies the rows, whose order in memory may change the last bit of a sum.
        assert np.allclose(mlflow.pyfunc.load_model(uri).predict(frame), expected, rtol=1e-12)
    given_back = Path(download_artifacts(f"models:/{name}/1"))
    for file in (tmp_path / "model").iterdir():
        if file.suffix != ".pkl":  # pickles are wrapped, to be read by joblib
            assert (given_back / file.name).read_bytes() == file.read_bytes()
    loaded = mlflow.sklearn.load_model(f"models:/{name}/1")
    assert np.array_equal(loaded.predict(frame), expected)
    if hasattr(model, "predict_proba"):
        assert np.array_equal(loaded.predict_proba(frame), model.predict_proba(frame))
    assert np.allclose(served(house, f"{name}/champion", frame), expected, rtol=1e-9)


def test_what_was_uploaded_without_mlflow_is_loaded(client, house):
    iris = mlflow.pyfunc.load_model("models:/iris@production")
    frame = FLOWERS.set_axis([each.name for each in iris.metadata.signature.inputs], axis=1)
    assert served(house, "iris/production", frame) == list(iris.predict(frame))
    again = mlflow.sklearn.load_model("models:/iris/1")
    assert list(again.predict(frame)) == list(iris.predict(frame))

    folder = Path(download_artifacts("models:/iris/1"))
    names = {each.name for each in folder.iterdir()}
    assert {"MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt"} <= names
    listed = {each.path: each.file_size for each in list_artifacts("models:/iris/1")}
    assert listed["model.skops"] == (folder / "model.skops").stat().st_size


def joblib_upload(house: House, name: str, model: object, folder: Path) -> None:
    """Upload a joblib file by our own route."""
    import joblib

    joblib.dump(model, folder / "model.joblib", compress=3)
    content = (folder / "model.joblib").read_bytes()
    head = 'Content-Disposition: form-data; name="artifact"; filename="model.joblib"'
    body = f"--x\r\n{head}\r\n\r\n".encode() + content + b"\r\n--x--\r\n"
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    headers["Content-Type"] = "multipart/form-data; boundary=x"
    request = Request(f"{house.url}/models/{name}/versions", body, headers)  # noqa: S310 - ours
    with urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server
        assert answer.status == 201


def test_a_joblib_file_is_loaded(client, house, name, tmp_path):
    model = LogisticRegression(max_iter=1_000).fit(FLOWERS, SPECIES)
    joblib_upload(house, name, model, tmp_path)
    expected = model.predict(FLOWERS)
    loaded = mlflow.pyfunc.load_model(f"models:/{name}/1")
    assert np.array_equal(loaded.predict(FLOWERS), expected)
    again = mlflow.sklearn.load_model(f"models:/{name}/1")
    assert np.array_equal(again.predict_proba(FLOWERS), model.predict_proba(FLOWERS))


def test_an_onnx_file_is_registered_and_loaded(client, house, name, tmp_path):
    make = onnx.helper
    graph = make.make_graph(
        [make.make_node("Gemm", ["X", "A", "B"], ["Y"])],
        "line",
        [make.make_tensor_value_info("X", onnx.TensorProto.FLOAT, [None, 2])],
        [make.make_tensor_value_info("Y", onnx.TensorProto.FLOAT, [None, 1])],
        [
            make.make_tensor("A", onnx.TensorProto.FLOAT, [2, 1], [0.5, -2.0]),
            make.make_tensor("B", onnx.TensorProto.FLOAT, [1], [3.0]),
        ],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    mlflow.onnx.save_model(model, tmp_path / "model", pip_requirements=["onnx"])
    client.create_model_version(name, upload(house, tmp_path / "model", name))

    frame = pd.DataFrame({"x0": [1.0, 2.0], "x1": [0.25, -1.0]})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    expected = session.run(None, {"X": frame.to_numpy(np.float32)})[0].ravel()
    loaded = mlflow.pyfunc.load_model(f"models:/{name}/1").predict(frame)
    assert np.array_equal(loaded["Y"].to_numpy(), expected)
    assert np.allclose(served(house, f"{name}/1", frame), expected)
    assert mlflow.onnx.load_model(f"models:/{name}/1") == model


def test_a_version_is_copied_with_its_bytes(client, name, house):
    copied = client.copy_model_version("models:/iris/1", name)
    assert (copied.version, copied.source) == ("1", "models:/iris/1")
    ours = [call(f"{house.url}/models/{each}/1", ADMIN_TOKEN) for each in ("iris", name)]
    assert ours[0]["artifact"] == ours[1]["artifact"]
    assert ours[0]["metrics"] == ours[1]["metrics"]


def test_gates_refuse_what_was_registered(client, house, name, tmp_path):
    frame, model = MODELS["line"]()
    body = json.dumps({"gates": ["rmse <= 1"]}).encode()
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"}
    url = f"{house.url}/models/{name}/policy"
    with urlopen(Request(url, body, headers, method="PUT"), timeout=60):  # noqa: S310 - our own server
        pass
    source = upload(house, saved(model, frame, tmp_path / "model"), name)
    client.create_model_version(name, source)
    message = refused(
        "RESOURCE_CONFLICT", client.set_registered_model_alias, name, "production", "1"
    )
    assert "rmse" in message
    assert client.get_registered_model(name).aliases == {}


def test_versions_that_are_made_at_the_same_time_have_their_own_numbers(
    client, house, name, tmp_path
):
    frame, model = MODELS["line"]()
    source = upload(house, saved(model, frame, tmp_path / "model"), name)
    with ThreadPoolExecutor(6) as threads:
        made = list(threads.map(lambda _: client.create_model_version(name, source), range(6)))
    assert sorted(int(each.version) for each in made) == [1, 2, 3, 4, 5, 6]
    assert len(client.search_model_versions(f"name = '{name}'")) == 6


def test_what_cannot_be_registered_is_refused_at_once(client, house, name, tmp_path):
    wrong = "INVALID_PARAMETER_VALUE"
    for source in ("runs:/0/model", "s3://bucket/model", str(tmp_path), "models:/m-01"):
        message = refused(wrong, client.create_model_version, name, source)
        assert "does not fetch them" in message
    missing = "mlflow-artifacts:/uploads/none"
    assert "no directory" in refused(wrong, client.create_model_version, name, missing)
    gone = "RESOURCE_DOES_NOT_EXIST"
    refused(gone, client.create_model_version, "nobody", missing)
    refused(gone, client.create_model_version, name, "models:/iris/99")
    (tmp_path / "MLmodel").write_text("flavors: {sklearn: {pickled_model: model.pkl}}")
    (tmp_path / "model.pkl").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    source = upload(house, tmp_path, name)
    assert "os.system" in refused(wrong, client.create_model_version, name, source)
    assert client.search_model_versions(f"name = '{name}'") == []
    refused(gone, client.get_model_version_download_uri, name, "1")


def test_uploaded_files_are_listed_downloaded_and_deleted(client, house, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b.bin").write_bytes(bytes(range(256)) * 5_000)
    base = f"{house.url}/api/2.0/mlflow-artifacts/artifacts/uploads/files"
    files = get_artifact_repository(base)
    files.log_artifacts(str(tmp_path), "top")
    assert [(each.path, each.is_dir) for each in files.list_artifacts("top")] == [("top/a", True)]
    (one,) = files.list_artifacts("top/a")
    assert (one.path, one.file_size) == ("top/a/b.bin", 1_280_000)
    assert files.list_artifacts("top/a/b.bin") == []
    found = Path(files.download_artifacts("top"), "a/b.bin")
    assert found.read_bytes() == (tmp_path / "a/b.bin").read_bytes()
    files.delete_artifacts("top")
    assert files.list_artifacts() == []
