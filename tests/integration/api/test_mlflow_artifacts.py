"""Model directories that MLflow's clients upload file by file, and the versions made of them."""

import json
from textwrap import dedent

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from registry.blobs.uploads import MAX_DEPTH
from registry.errors import DatabaseUnavailable
from tests.integration.api.conftest import ADMIN_TOKEN, Caller, check_error_code, new_name

FILES = "/api/2.0/mlflow-artifacts/artifacts"
CREATE = "/api/2.0/mlflow/model-versions/create"
WRONG = "INVALID_PARAMETER_VALUE"

MLMODEL = dedent("""\
    flavors:
      python_function:
        loader_module: mlflow.sklearn
        model_path: model.skops
        python_version: 3.11.7
      sklearn:
        code: null
        pickled_model: model.skops
        serialization_format: skops
        sklearn_version: 1.9.1
        skops_trusted_types: null
    mlflow_version: 3.17.2
    saved_input_example_info:
      artifact_path: input_example.json
      type: dataframe
    signature:
      inputs: '[{"type": "double", "name": "x", "required": true}]'
      outputs: '[{"type": "double", "required": true}]'
    utc_time_created: '2026-11-23 09:00:54.954365'
    """)


class Artifacts:
    """The artifacts as MLflow's client uses them."""

    def __init__(self, caller):
        self.caller = caller

    def put(self, path, content, **options):
        return self.caller.put(f"{FILES}/{path}", data=content, **options)

    def upload(self, directory, files):
        for name, content in files.items():
            answer = self.put(f"uploads/{directory}/{name}", content)
            assert (answer.status_code, answer.json) == (200, {}), answer.text

    def listed(self, path):
        answer = self.caller.get(FILES, query_string={"path": path})
        assert answer.status_code == 200, answer.text
        return answer.json

    def create(self, name, source, **more):
        return self.caller.post(CREATE, json={"name": name, "source": source, **more})

    def refused(self, name, source, status=400, code=WRONG, **more):
        """The message of a version that is not made."""
        answer = self.create(name, source, **more)
        assert (answer.status_code, answer.json["error_code"]) == (status, code), answer.text
        return answer.json["message"]


@pytest.fixture
def own(admin):
    return Artifacts(admin)


@pytest.fixture
def name(admin):
    """A model without versions."""
    name = new_name()
    assert admin.post("/models", json={"name": name}).status_code == 201
    return name


@pytest.fixture
def directory(artifacts):
    """The files of a model directory."""
    return {
        "MLmodel": MLMODEL,
        "model.skops": artifacts["line-1"],
        "requirements.txt": "mlflow==3.17.2\nscikit-learn==1.9.1\nskops\n",
        "input_example.json": json.dumps({"columns": ["x"], "data": [[4.0], [5.0]]}),
    }


def versions_of(caller, name):
    return caller.get(f"/models/{name}/versions").json["items"]


def test_files_are_uploaded_listed_downloaded_and_deleted(own, admin, fresh_name):
    top = f"uploads/{fresh_name}"
    own.upload(fresh_name, {"MLmodel": b"text", "b/c.bin": b"\x00\xff", "b/empty": b""})

    assert own.listed(top) == {
        "files": [
            {"path": "MLmodel", "is_dir": False, "file_size": 4},
            {"path": "b", "is_dir": True},
        ]
    }
    assert [each["path"] for each in own.listed(f"{top}/b/")["files"]] == ["c.bin", "empty"]
    assert own.listed(f"{top}/MLmodel") == own.listed(f"{top}/none") == own.listed("") == {}

    text, binary = (admin.get(f"{FILES}/{top}/{each}") for each in ("MLmodel", "b/c.bin"))
    assert (text.data, binary.data) == (b"text", b"\x00\xff")
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert binary.headers["Content-Type"] == "application/octet-stream"
    assert text.headers["Content-Disposition"] == "attachment; filename=MLmodel"
    assert text.headers["X-Content-Type-Options"] == "nosniff"

    own.upload(fresh_name, {"MLmodel": b"other"})
    assert admin.get(f"{FILES}/{top}/MLmodel").data == b"other"
    assert admin.delete(f"{FILES}/{top}/b").json == {}
    assert [each["path"] for each in own.listed(top)["files"]] == ["MLmodel"]
    for missing in (f"{top}/b", f"{top}/b/c.bin", f"{top}/MLmodel/x", "uploads/none", "uploads"):
        for method in ("GET", "DELETE"):
            answer = admin.ask(method, f"{FILES}/{missing}")
            assert answer.json["error_code"] == "RESOURCE_DOES_NOT_EXIST"
            check_error_code(answer, 404, "upload-not-found")


@pytest.mark.parametrize("type_", ["text/html", "multipart/form-data", "application/json"])
def test_the_content_type_of_a_file_means_nothing(own, admin, fresh_name, type_):
    answer = own.put(f"uploads/{fresh_name}/a.html", b"<script>", content_type=type_)
    assert answer.status_code == 200
    found = admin.get(f"{FILES}/uploads/{fresh_name}/a.html")
    assert found.data == b"<script>"
    assert found.headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "x",
        "artifacts/x/y",
        "/etc/passwd",
        "uploads/",
        "uploads//a",
        "uploads/x",
        "uploads/x/",
        "uploads/x/../y/a",
        "uploads/x/%2e%2e/a",
        "uploads/x/..%2fa",
        "uploads/x/%252e%252e/a",
        "uploads/x/a%252fb",
        "uploads/x/.",
        "uploads/x/a%5cb",
        "uploads/x/a%00",
        "uploads/x/a%0a",
        "uploads/x/%ff",
        f"uploads/x/{'n' * 201}",
        f"uploads/{'x/' * MAX_DEPTH}a",
        f"uploads/x/{'long/' * 10}{'n' * 200}/{'n' * 200}/{'n' * 200}/{'n' * 200}/{'n' * 200}",
    ],
)
def test_a_path_that_is_not_plain_names_below_uploads_is_refused(own, admin, service, path):
    before = service.stored()
    for answer in (own.put(path, b"x"), admin.delete(f"{FILES}/{path}")):
        if not (answer.status_code == 404 and path == "uploads/x"):
            check_error_code(answer, 400, "path-malformed")
    assert service.stored() == before


def test_a_file_cannot_replace_a_folder_nor_stand_in_one_that_is_a_file(own, fresh_name):
    own.upload(fresh_name, {"a": b"", "b/c": b""})
    for path in ("a/x", "a/x/y", "b"):
        check_error_code(own.put(f"uploads/{fresh_name}/{path}", b""), 400, "path-malformed")
    assert own.listed(f"uploads/{fresh_name}/b")["files"][0]["path"] == "c"


def test_uploads_belong_to_a_token(own, service, name, directory):
    own.upload(name, directory)
    for other in (service.caller("upload"), service.caller("admin"), service.caller("predict")):
        theirs = Artifacts(other)
        assert theirs.listed(f"uploads/{name}") == {}
        assert other.get(f"{FILES}/uploads/{name}/MLmodel").status_code == 404
        if other.delete(f"{FILES}/uploads/{name}").status_code != 403:
            message = theirs.refused(name, f"mlflow-artifacts:/uploads/{name}")
            assert "has uploaded no directory" in message
    assert len(own.listed(f"uploads/{name}")["files"]) == len(directory)


def test_a_directory_has_the_limit_of_an_upload(make_app):
    service = make_app(max_upload_mb=1)
    own = Artifacts(service.admin)
    assert own.put("uploads/a/one", bytes(2**20)).status_code == 200
    assert own.put("uploads/a/one", bytes(2**20)).status_code == 200
    for path in ("uploads/a/two", "uploads/b/one"):
        size = 1 if path.endswith("two") else 2**20 + 1
        answer = own.put(path, bytes(size))
        assert "HOTSWAP_MAX_UPLOAD_MB" in check_error_code(answer, 413, "too-large")["message"]
    assert [each["path"] for each in own.listed("uploads/a")["files"]] == ["one"]
    assert not list((service.data / "blobs" / "incoming").iterdir())


def test_a_body_that_ends_early_leaves_nothing(own, service, fresh_name):
    before = service.stored()
    answer = own.put(f"uploads/{fresh_name}/a", b"abc", environ_overrides={"CONTENT_LENGTH": "5"})
    check_error_code(answer, 400, "body-malformed")
    assert service.stored() == before


def test_a_directory_becomes_a_version(own, admin, name, directory, trained):
    own.upload(name, directory)
    more = {"tags": [{"key": "a", "value": "1"}], "description": "d", "run_id": "r", "unknown": 1}
    more |= {"run_link": "http://tracking/r", "model_id": "m-1"}
    answer = own.create(name, f"mlflow-artifacts:/uploads/{name}", **more)
    assert answer.status_code == 200, answer.text

    row = answer.json["model_version"]
    times = {key: row[key] for key in ("creation_timestamp", "last_updated_timestamp", "user_id")}
    assert row == {
        **times,
        "name": name,
        "version": "1",
        "current_stage": "None",
        "description": "d",
        "source": f"mlflow-artifacts:/uploads/{name}",
        "run_id": "r",
        "run_link": "http://tracking/r",
        "model_id": "m-1",
        "status": "READY",
        "tags": [{"key": "a", "value": "1"}],
    }
    version = admin.get(f"/models/{name}/1").json
    assert version["engine"]["name"] != "scikit-learn"  # it was compiled
    assert version["input_example"] == {"x": 4.0}
    assert version["environment"]["mlflow"] == "3.17.2"
    assert version["environment"]["python"] == "3.11.7"
    assert version["lineage"] == {"mlflow": {"run_link": "http://tracking/r", "model_id": "m-1"}}
    predicted = admin.post(f"/models/{name}/1/predict", json={"inputs": {"x": [4.0]}}).json
    assert predicted["predictions"] == trained["line-1"].model.predict(np.array([[4.0]])).tolist()
    event = admin.get(f"/models/{name}/history?page_size=1").json["items"][0]
    assert (event["type"], event["to_version"]) == ("registered", 1)
    assert event["details"]["via"] == "mlflow"

    again = own.create(name, f"mlflow-artifacts:/uploads/{name}")
    assert again.json["model_version"]["version"] == "2"


@pytest.mark.parametrize(
    "source",
    [
        "mlflow-artifacts://localhost/uploads/{0}",
        "http://localhost/api/2.0/mlflow-artifacts/artifacts/uploads/{0}/",
        "mlflow-artifacts:/uploads/{0}/nested/model",
    ],
)
def test_a_directory_is_named_by_its_address_here(own, name, directory, source):
    nested = "nested/model/" if "nested" in source else ""
    own.upload(name, {f"{nested}{path}": content for path, content in directory.items()})
    answer = own.create(name, source.format(name))
    assert (answer.status_code, answer.json["model_version"]["version"]) == (200, "1")


@pytest.mark.parametrize(
    "source",
    [
        "runs:/0123/model",
        "file:///etc/passwd",
        "/etc/passwd",
        "s3://bucket/model",
        "http://elsewhere/api/2.0/mlflow-artifacts/artifacts/uploads/x",
        "http://localhost/uploads/x",
        "http://localhost:81/api/2.0/mlflow-artifacts/artifacts/uploads/x",
        "http://[::1/api",
        "mlflow-artifacts://elsewhere/uploads/x",
        "mlflow-artifacts:/other/x",
        "mlflow-artifacts:/uploads/../x",
        "mlflow-artifacts:/uploads/%2e%2e/x",
        "mlflow-artifacts:/uploads/",
        "mlflow-artifacts:/models/x",
        "models:/m-0123",
        "models:/x/production",
        "models:/x/1/model",
        "models://host/x/1",
        "hotswap:/x/1",
        "dbfs:/x",
        "x",
    ],
)
def test_a_location_elsewhere_is_never_fetched(own, admin, name, source):
    message = own.refused(name, source)
    assert "does not fetch them: upload the model directory first" in message
    assert "hotswap+http" in message
    assert versions_of(admin, name) == []


def test_what_is_wrong_is_named_in_order(own, admin, name):
    source = "mlflow-artifacts:/uploads/none"
    assert "'source'" in own.refused("nobody", None)
    message = own.refused("nobody", "s3://x", 404, "RESOURCE_DOES_NOT_EXIST")
    assert message == "Registered Model with name=nobody not found"
    assert "has uploaded no directory 'uploads/none'" in own.refused(name, source)
    own.refused("a b", source)
    for more in ({"run_id": "r" * 129}, {"tags": [{"key": ""}]}, {"description": 1}):
        own.refused(name, source, **more)
    admin.delete(f"/models/{name}")
    own.refused(name, source, 404, "RESOURCE_DOES_NOT_EXIST")


FLAVORS = "flavors:\n  sklearn: {pickled_model: model.skops, serialization_format: skops}\n"
BOMB = "a0: &a0 [x]\n" + "".join(
    f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(20)
)


@pytest.mark.parametrize(
    ("mlmodel", "message"),
    [
        (None, "expected a file MLmodel"),
        (b"#" * (2**20 + 1), "of at most 1048576 bytes"),
        (b"\xff\xfe\xff", "MLmodel cannot be read"),
        (b"a: b: c", "MLmodel cannot be read"),
        (b"\x00", "MLmodel cannot be read"),
        (BOMB + FLAVORS.replace("model.skops", "*a20"), "refers to a collection"),
        (FLAVORS + "x: !!python/object/apply:os.system [id]\n", "tags are not accepted"),
        ("[" * 5_000, "nested more than"),
        ("", "no flavors"),
        ("flavors: {pytorch: {data: x}, xgboost: {data: y}}", "'pytorch', 'xgboost'"),
        (FLAVORS.replace("}", ", code: code}"), "code of its own"),
        (FLAVORS.replace(": skops}", ": dill}"), "the format 'dill'"),
        (FLAVORS.replace("model.skops", "other.skops"), "no file 'other.skops'"),
        (FLAVORS.replace("model.skops", "../model.skops"), "a name without a path"),
        (FLAVORS.replace("model.skops", "/etc/passwd"), "a name without a path"),
        (
            FLAVORS + 'signature: {inputs: \'[{"type": "double", "name": "\\ud800"}]\'}',
            "a name that cannot be stored",
        ),
        (FLAVORS.replace(": skops}", ": pickle}"), "joblib"),
    ],
)
def test_a_directory_that_is_no_model_is_refused(service, name, directory, mlmodel, message):
    """And leaves nothing but the upload."""
    admin, own = service.admin, Artifacts(service.admin)
    own.upload(name, {**directory, "MLmodel": b"" if mlmodel is None else mlmodel})
    if mlmodel is None:
        admin.delete(f"{FILES}/uploads/{name}/MLmodel")
    before = service.stored()
    assert message in own.refused(name, f"mlflow-artifacts:/uploads/{name}")
    assert service.stored() == before
    assert versions_of(admin, name) == []


def test_a_refused_directory_uses_no_number(own, name, directory):
    source = f"mlflow-artifacts:/uploads/{name}"
    own.upload(name, {**directory, "model.skops": b"PK"})
    own.refused(name, source)
    own.upload(name, directory)
    assert own.create(name, source).json["model_version"]["version"] == "1"


@pytest.mark.parametrize("key", ["pickle", "cloudpickle", None])
def test_a_pickle_is_read_by_the_allow_list(own, admin, name, tmp_path, key):
    model = LinearRegression().fit(np.array([[1.0, 0.0], [2.0, 1.0], [3.0, 5.0]]), [1.0, 2.0, 4.0])
    joblib.dump(model, tmp_path / "model.pkl")
    named = f", serialization_format: {key}" if key else ""
    inputs = [{"type": "double", "name": each} for each in ("a", "b")]
    inputs[0]["required"] = False
    files = {
        "MLmodel": f"flavors: {{sklearn: {{pickled_model: model.pkl{named}}}}}\n"
        f"signature: {{inputs: '{json.dumps(inputs)}'}}",
        "model.pkl": (tmp_path / "model.pkl").read_bytes(),
    }
    own.upload(name, files)
    answer = own.create(name, f"mlflow-artifacts:/uploads/{name}")
    assert answer.status_code == 200, answer.text

    version = admin.get(f"/models/{name}/1").json
    assert version["artifact"]["format"] == "joblib"
    assert [each["name"] for each in version["signature"]["inputs"]] == ["a", "b"]


@pytest.mark.parametrize(
    "inputs",
    [
        '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 1]}}]',
        '[{"type": "datetime", "name": "x"}]',
        '[{"type": "array", "name": "x", "items": {"type": "double"}}]',
        '[{"type": "double", "name": "a"}, {"type": "double", "name": "b"}]',
        "[]",
    ],
)
def test_a_signature_that_says_nothing_of_the_columns_is_ignored(
    own, admin, name, directory, inputs
):
    lines = MLMODEL.replace('[{"type": "double", "name": "x", "required": true}]', inputs)
    assert lines != MLMODEL
    own.upload(name, {**directory, "MLmodel": lines})
    assert own.create(name, f"mlflow-artifacts:/uploads/{name}").status_code == 200
    inputs = admin.get(f"/models/{name}/1").json["signature"]["inputs"]
    assert [each["name"] for each in inputs] == ["x0"]


def test_a_version_is_copied_with_its_bytes(own, admin, name, lines_with_alias):
    source, alias = lines_with_alias
    before = admin.get(f"/models/{source}/2").json
    for at, reference in enumerate((f"{source}/2", f"{source}@{alias}"), 1):
        answer = own.create(name, f"models:/{reference}", tags=[{"key": "k", "value": "v"}])
        assert answer.status_code == 200, answer.text
        row = answer.json["model_version"]
        assert (row["version"], row["source"]) == (str(at), f"models:/{reference}")
        copied = admin.get(f"/models/{name}/{at}").json
        for key in ("artifact", "metrics", "signature", "engine", "kind", "task", "lineage"):
            assert copied[key] == before[key], key
        assert (copied["tags"], copied["description"]) == ({"k": "v"}, "")
        body = {"instances": [[4]]}
        ours, theirs = (
            admin.post(f"/models/{each}/predict", json=body).json["predictions"]
            for each in (f"{name}/{at}", f"{source}/2")
        )
        assert ours == theirs
    event = admin.get(f"/models/{name}/history?page_size=1").json["items"][0]
    assert (event["type"], event["details"]["via"]) == ("registered", "mlflow")

    gone = "RESOURCE_DOES_NOT_EXIST"
    message = own.refused(name, f"models:/{source}/9", 404, gone)
    assert message == f"Model Version (name={source}, version=9) not found"
    message = own.refused(name, "models:/nobody/1", 404, gone)
    assert message == "Registered Model with name=nobody not found"
    assert "alias none not found" in own.refused(name, f"models:/{source}@none")
    admin.delete(f"/models/{source}/3")
    own.refused(name, f"models:/{source}/3", 404, gone)
    assert len(versions_of(admin, name)) == 2


@pytest.fixture
def lines_with_alias(admin, uploaded):
    model, _ = uploaded
    assert admin.promote(model, 2, alias="champion").status_code == 200
    return model, "champion"


def test_a_token_copies_only_what_it_may_read(service, uploaded, name):
    source, _ = uploaded
    own = Artifacts(service.caller("upload", models=[name]))
    own.refused(name, f"models:/{source}/1", 403, "PERMISSION_DENIED")
    own.refused(source, f"models:/{source}/1", 403, "PERMISSION_DENIED")
    reader = Artifacts(service.caller("predict"))
    reader.refused(name, f"models:/{source}/1", 403, "PERMISSION_DENIED")


def test_gates_apply_to_what_was_made_of_a_directory(own, admin, name, directory):
    policy = {"gates": ["rmse <= 1"]}
    assert admin.put(f"/models/{name}/policy", json=policy).status_code == 200
    own.upload(name, directory)
    assert own.create(name, f"mlflow-artifacts:/uploads/{name}").status_code == 200

    answer = admin.post(
        "/api/2.0/mlflow/registered-models/alias",
        json={"name": name, "alias": "production", "version": "1"},
    )
    assert (answer.status_code, answer.json["error_code"]) == (409, "RESOURCE_CONFLICT")
    assert admin.get(f"/models/{name}").json["aliases"] == {}


def test_an_app_of_another_name_takes_only_its_own(make_app, artifacts):
    """HOTSWAP_PUBLIC_URL is another address of the same artifacts."""
    service = make_app(public_url="https://models.example.com/below")
    assert service.admin.post("/models", json={"name": "m"}).status_code == 201
    own = Artifacts(Caller(service.app, ADMIN_TOKEN))
    own.upload("x", {"MLmodel": MLMODEL, "model.skops": artifacts["line-1"]})
    base = "https://models.example.com/below/api/2.0/mlflow-artifacts/artifacts"
    assert own.create("m", f"{base}/uploads/x").status_code == 200
    own.refused("m", f"{base.replace('/below', '')}/uploads/x")


def test_a_version_that_was_made_but_not_answered_is_made_once(make_app, artifacts):
    """MLflow's client repeats what is answered with 503, though it may have taken effect."""
    service = make_app()
    own, name = Artifacts(service.admin), new_name()
    service.admin.upload(name, artifacts["line-1"])
    own.upload(name, {"MLmodel": MLMODEL, "model.skops": artifacts["line-2"]})
    sources = (f"mlflow-artifacts:/uploads/{name}", f"models:/{name}/1")
    announce = service.services.database.committed

    def fail():
        service.services.database.committed = announce
        raise DatabaseUnavailable

    for source, number in zip(sources, ("2", "4"), strict=True):
        service.services.database.committed = fail
        own.refused(name, source, 503, "TEMPORARILY_UNAVAILABLE")
        assert len(versions_of(service.admin, name)) == int(number)
        repeated, meant = own.create(name, source), own.create(name, source)
        assert repeated.json["model_version"]["version"] == number
        assert meant.json["model_version"]["version"] == str(int(number) + 1)
    assert list((service.data / "run" / "attempts").iterdir()) == []


def test_another_request_is_no_repetition(make_app, artifacts):
    service = make_app()
    own, name = Artifacts(service.admin), new_name()
    service.admin.upload(name, artifacts["line-1"])
    own.upload(name, {"MLmodel": MLMODEL, "model.skops": artifacts["line-2"]})
    source = f"mlflow-artifacts:/uploads/{name}"

    def fail():
        raise DatabaseUnavailable

    announce, service.services.database.committed = service.services.database.committed, fail
    own.refused(name, source, 503, "TEMPORARILY_UNAVAILABLE")
    service.services.database.committed = announce

    assert own.create(name, source, description="d").json["model_version"]["version"] == "3"
    own.upload(name, {"model.skops": artifacts["line-3"]})
    assert own.create(name, source).json["model_version"]["version"] == "4"
