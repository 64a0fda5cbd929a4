"""The directories from which MLflow's clients load versions."""

import io
import json
import pickle
from contextlib import suppress

import joblib
import numpy as np
import pytest
import skops.io
from joblib.numpy_pickle import NumpyPickler
from sklearn.linear_model import LinearRegression

from registry.formats.mlmodel import first_row, read_mlmodel
from registry.formats.plain_yaml import read_yaml
from registry.operations.collect_garbage import collect_garbage
from registry.reading.blob_uses import BlobUse, blob_uses
from registry.storage.tables import VersionRow
from tests.integration.api.conftest import check_error_code, new_name
from tests.integration.api.test_mlflow_artifacts import FILES, MLMODEL, Artifacts

URI = "/api/2.0/mlflow/model-versions/get-download-uri"


def download(caller, name, version):
    """The files of the directory of a version, as MLflow's client finds and reads them."""
    answer = caller.get(URI, query_string={"name": name, "version": version})
    assert answer.status_code == 200, answer.text
    uri = answer.json["artifact_uri"]
    assert uri == f"http://localhost{FILES}/models/{name}/{version}"
    files = {}
    folders = [""]
    for folder in folders:
        path = f"models/{name}/{version}/{folder}"
        for each in caller.get(FILES, query_string={"path": path}).json["files"]:
            inner = f"{folder}{each['path']}"
            if each["is_dir"]:
                folders.append(f"{inner}/")
                continue
            found = caller.get(f"{uri}/{inner}")
            assert found.status_code == 200, found.text
            assert len(found.data) == each["file_size"] == int(found.headers["Content-Length"])
            files[inner] = found.data
    return files


@pytest.mark.parametrize("key", ["housing", "iris-names", "iris-arrays", "line-1"])
def test_a_skops_file_is_loaded_with_the_types_that_are_named(admin, artifacts, trained, key):
    name = new_name()
    example = {"median_income": 3.5, "bedrooms": 4.0, "ocean_proximity": "ISLAND", "county": "Napa"}
    metadata = {"input_example": example} if key == "housing" else None
    assert admin.upload(name, artifacts[key], metadata).status_code == 201
    files = download(admin, name, 1)

    written = read_yaml(files["MLmodel"])
    loaded = written["flavors"]["python_function"]
    assert (loaded["loader_module"], loaded["predict_fn"]) == ("mlflow.sklearn", "predict")
    flavor = written["flavors"]["sklearn"]
    assert flavor["pickled_model"] == loaded["model_path"] == "model.skops"
    assert files["model.skops"] == artifacts[key]
    rows, model = trained[key].rows, trained[key].model
    again = skops.io.loads(files["model.skops"], trusted=flavor["skops_trusted_types"])
    assert np.array_equal(again.predict(rows), model.predict(rows))
    assert len(flavor["skops_trusted_types"]) < 20

    columns = json.loads(written["signature"]["inputs"])
    own = admin.get(f"/models/{name}/1").json["signature"]["inputs"]
    types = {"number": "double", "string": "string"}
    assert columns == [
        {"type": types[each["type"]], "name": each["name"], "required": not each["nullable"]}
        for each in own
    ]
    if key == "housing":
        assert first_row(files["input_example.json"]) == example
        assert written["saved_input_example_info"]["artifact_path"] == "input_example.json"
    else:
        assert "input_example.json" not in files
    assert "scikit-learn==" in files["requirements.txt"].decode()
    assert read_yaml(files["conda.yaml"])["name"] == "mlflow-env"
    assert read_yaml(files["python_env.yaml"])["dependencies"] == ["-r requirements.txt"]
    assert download(admin, name, 1) == files


@pytest.mark.parametrize("compress", [0, 3])
def test_a_joblib_file_is_loaded_by_pickle(admin, tmp_path, compress):
    name = new_name()
    rows = np.array([[1.0, 0.0], [2.0, 1.0], [3.0, 5.0]])
    model = LinearRegression().fit(rows, [1.0, 2.0, 4.0])
    joblib.dump(model, tmp_path / "m.joblib", compress=compress)
    uploaded = (tmp_path / "m.joblib").read_bytes()
    assert admin.upload(name, uploaded, filename="m.joblib").status_code == 201
    files = download(admin, name, 1)

    described = read_mlmodel(files["MLmodel"])
    assert (described.format, described.file) == ("joblib", "model.pkl")
    loaded = pickle.load(io.BytesIO(files["model.pkl"]))  # noqa: S301 - as MLflow's client does
    assert np.array_equal(loaded.predict(rows), model.predict(rows))

    own = Artifacts(admin)
    own.upload(name, files)
    assert own.create(name, f"mlflow-artifacts:/uploads/{name}").status_code == 200
    first, second = (admin.get(f"/models/{name}/{number}").json for number in (1, 2))
    assert first["artifact"] == second["artifact"]


def test_bytes_that_are_an_array_for_joblib_are_no_code_for_pickle(admin, tmp_path):
    """joblib's arrays have their bytes between opcodes, where pickle would go on reading."""
    target = tmp_path / "executed"
    code = f"cos\nmkdir\n(V{target}\ntR0".encode()
    padded = code + b"0" * (-len(code) % 8)
    rows = np.random.default_rng(0).normal(size=(5, len(padded) // 8))
    model = LinearRegression().fit(rows, rows[:, 0])
    model.coef_ = np.frombuffer(padded)
    with (tmp_path / "model.pkl").open("wb") as file:
        _Unaligned(file, protocol=4).dump(model)
    uploaded = (tmp_path / "model.pkl").read_bytes()
    name, own = new_name(), Artifacts(admin)
    assert admin.post("/models", json={"name": name}).status_code == 201
    described = MLMODEL.replace("model.skops", "model.pkl").replace(": skops", ": pickle")
    own.upload(name, {"MLmodel": described.encode(), "model.pkl": uploaded})
    created = own.create(name, f"mlflow-artifacts:/uploads/{name}")
    assert created.status_code == 200, created.text

    given = download(admin, name, 1)["model.pkl"]

    loaded = pickle.load(io.BytesIO(given))  # noqa: S301 - as MLflow's client does
    assert np.array_equal(loaded.coef_, model.coef_)
    assert not target.exists()
    with suppress(Exception):  # whatever follows the array
        pickle.loads(uploaded)  # noqa: S301 - what was uploaded makes the folder
    assert target.exists()


class _Unaligned(NumpyPickler):
    """Writes arrays without padding before them, as joblib did before 1.2."""

    def _create_array_wrapper(self, array):
        wrapper = super()._create_array_wrapper(array)
        wrapper.numpy_array_alignment_bytes = None
        return wrapper


def test_what_is_downloaded_can_be_registered_elsewhere(admin, artifacts):
    name = new_name()
    assert admin.upload(name, artifacts["iris-arrays"]).status_code == 201
    own = Artifacts(admin)
    own.upload(name, download(admin, name, 1))
    answer = own.create(name, f"mlflow-artifacts:/uploads/{name}")
    assert answer.status_code == 200, answer.text
    first, second = (admin.get(f"/models/{name}/{number}").json for number in (1, 2))
    for key in ("artifact", "signature", "engine", "kind", "task", "input_example"):
        assert first[key] == second[key], key
    address = admin.get(URI, query_string={"name": name, "version": "1"}).json["artifact_uri"]
    answer = own.create(name, address)
    assert (answer.status_code, answer.json["model_version"]["version"]) == (200, "3")


def test_the_files_that_a_version_was_made_of_are_given_back(service, artifacts):
    admin, own, name = service.admin, Artifacts(service.admin), new_name()
    assert admin.post("/models", json={"name": name}).status_code == 201
    files = {
        "MLmodel": MLMODEL.encode(),
        "model.skops": artifacts["line-1"],
        "requirements.txt": b"numpy==2.4.6\n",
        "notes/why and how.txt": "größer".encode(),
        "notes/deep/table.bin": bytes(range(256)) * 5_000,
        "empty": b"",
    }
    own.upload(name, files)
    assert own.create(name, f"mlflow-artifacts:/uploads/{name}").status_code == 200
    assert own.create(name, f"models:/{name}/1").status_code == 200
    assert admin.delete(f"{FILES}/uploads/{name}").status_code == 200
    collect_garbage(service.services.database, service.services.blobs, older_than=0)

    assert download(admin, name, 1) == download(admin, name, 2) == files
    with service.services.database.read() as session:
        row = session.get(VersionRow, (name, 1))
        uses = blob_uses(session, {row.files_sha256})
    assert uses == {row.files_sha256: [BlobUse(name, number, "files") for number in (1, 2)]}


def test_the_files_of_a_version_are_only_read(admin, unchanged, service):
    name, _ = unchanged
    for path in (f"models/{name}/1/MLmodel", f"models/{name}/1", "models"):
        for answer in (admin.put(f"{FILES}/{path}", data=b"x"), admin.delete(f"{FILES}/{path}")):
            assert "do not change" in check_error_code(answer, 400, "path-malformed")["message"]
    own = Artifacts(admin)
    for path in ("models", f"models/{name}", f"models/{name}/1/MLmodel", f"models/{name}/1/none"):
        assert own.listed(path) == {}
    for path in (f"models/{name}/1/none", f"models/{name}/1/MLmodel/x", f"models/{name}/1"):
        check_error_code(admin.get(f"{FILES}/{path}"), 404, "upload-not-found")
    head = admin.ask("HEAD", f"{FILES}/models/{name}/1/model.skops")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Disposition"] == "attachment; filename=model.skops"
    assert admin.get(f"{FILES}/models/{name}/1/MLmodel").headers["Content-Type"] == (
        "text/plain; charset=utf-8"
    )


def test_the_files_are_those_of_current_versions_that_the_token_covers(admin, service, uploaded):
    name, _ = uploaded
    reader = service.caller("predict", models=[name])
    assert "MLmodel" in download(reader, name, 1)
    other = service.caller("admin", models=["other-*"])
    admin.delete(f"/models/{name}/3")
    query = {"name": name, "version": "1"}
    check_error_code(other.get(URI, query_string=query), 403, "model-forbidden")
    for path in (f"?path=models/{name}/1", f"/models/{name}/1/MLmodel"):
        check_error_code(other.get(f"{FILES}{path}"), 403, "model-forbidden")
    for version in ("3", "9"):
        gone = admin.get(URI, query_string={**query, "version": version})
        for path in (f"?path=models/{name}/{version}", f"/models/{name}/{version}/MLmodel"):
            answer = admin.get(f"{FILES}{path}")
            assert answer.json["error_code"] == gone.json["error_code"]
            assert answer.json["message"] == gone.json["message"]
            check_error_code(answer, 404, "version-not-found")
    check_error_code(
        admin.get(f"{FILES}?path=models/{name}/production"), 400, "reference-malformed"
    )
