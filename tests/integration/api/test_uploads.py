"""Accepted uploads: forms, formats, numbers, idempotency, and what they do not change."""

import hashlib
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest

from tests.integration.api.conftest import (
    ADMIN_TOKEN,
    END,
    FORM,
    Caller,
    WatchedStream,
    check_problem,
    part,
)
from tests.integration.registry.models import MODELS, X
from tests.integration.registry.onnx_exports import exported


def test_an_upload_creates_the_model_and_numbers_versions_from_one(admin, fresh_name, artifacts):
    for number in (1, 2, 3):
        answer = admin.upload(fresh_name, artifacts[f"line-{number}"])
        assert answer.status_code == 201, answer.text
        assert answer.json["version"] == number
        assert answer.headers["Location"] == f"/models/{fresh_name}/{number}"
        assert "Idempotent-Replayed" not in answer.headers
    assert admin.get(f"/models/{fresh_name}").json["last_version"] == 3


def test_a_number_is_given_by_an_admin_and_only_a_larger_one(service, fresh_name, artifacts):
    def answer(caller, number):
        return caller.upload(fresh_name, artifacts["line-1"], {"version": number})

    assert answer(service.admin, 7).json["version"] == 7
    check_problem(answer(service.admin, 7), 409, "version-number-taken")
    check_problem(answer(service.caller("upload"), 8), 403, "scope-missing")
    for number in (0, -1, 10**9 + 1, "8", 8.5, None):
        check_problem(answer(service.admin, number), 422, "metadata-refused")
    assert service.admin.get(f"/models/{fresh_name}").json["last_version"] == 7


@pytest.mark.parametrize(
    "told",
    [
        {"source": "models:/m-1", "run_id": "b4c0"},
        "x",
        {"source": 1},
        {"source": "s" * 2_001},
        {"source": "s", "run_id": None},
    ],
)
def test_the_lineage_of_a_version_from_mlflow_is_what_its_clients_find_it_by(
    admin, fresh_name, artifacts, told
):
    admin.upload(fresh_name, artifacts["line-1"], {"lineage": {"mlflow": told}})
    query = f"/api/2.0/mlflow/model-versions/get?name={fresh_name}&version=1"
    shown = admin.get(query).json["model_version"]
    expected = told if told == {"source": "models:/m-1", "run_id": "b4c0"} else {
        "source": f"hotswap:/{fresh_name}/1", "run_id": ""}  # fmt: skip
    assert {key: shown[key] for key in ("source", "run_id")} == expected


def test_an_upload_never_moves_an_alias(admin, uploaded, artifacts):
    name, _ = uploaded
    admin.promote(name, 2)
    before = admin.get(f"/models/{name}").json
    assert admin.upload(name, artifacts["line-1"]).json["aliases"] == []
    after = admin.get(f"/models/{name}").json
    assert (after["aliases"], after["generation"]) == (before["aliases"], before["generation"])
    assert admin.post(f"/models/{name}/predict", json={"input": [1]}).json["version"] == 2


def test_equal_uploads_are_two_versions_that_share_one_blob(service, fresh_name, artifacts):
    service.admin.upload(fresh_name, artifacts["line-1"])
    before = service.stored()
    assert service.admin.upload(fresh_name, artifacts["line-1"]).json["version"] == 2
    assert service.stored() == before


def test_no_temporary_file_remains_after_an_upload(service, fresh_name, artifacts):
    digest = hashlib.sha256(artifacts["plane"]).hexdigest()
    service.admin.upload(fresh_name, artifacts["plane"])
    assert f"{digest[:2]}/{digest}" in service.stored()
    assert not any(path.startswith("incoming") for path in service.stored())


def test_the_format_is_taken_from_the_metadata_or_else_the_extension(admin, fresh_name, trained):
    packed = io.BytesIO()
    joblib.dump(trained["plane"].model, packed)

    by_ending = admin.upload(fresh_name, packed.getvalue(), filename="model.JOBLIB")
    assert by_ending.json["artifact"]["format"] == "joblib"
    said = admin.upload(fresh_name, packed.getvalue(), {"format": "joblib"}, filename="model.skops")
    assert said.json["artifact"]["format"] == "joblib"
    assert admin.get(f"/models/{fresh_name}/2/artifact").data == packed.getvalue()
    answer = admin.post(f"/models/{fresh_name}/2/predict", json={"input": [0.5, 2.0]})
    assert answer.json["prediction"] == trained["plane"].model.predict([[0.5, 2.0]])[0]


def test_an_onnx_file_can_be_uploaded_promoted_and_used(admin, fresh_name):
    model = MODELS["tree-classes"]
    content = exported(model).SerializeToString()

    made = admin.upload(fresh_name, content, filename="model.onnx")
    admin.promote(fresh_name, 1)
    rows = X[:5].astype(np.float32)
    answer = admin.post(
        f"/models/{fresh_name}/predict?probabilities=true", json={"X": rows.tolist()}
    )

    assert made.status_code == 201, made.text
    assert (made.json["artifact"]["format"], made.json["kind"]) == ("onnx", "other")
    assert made.json["engine"]["name"] == "onnxruntime"
    assert answer.status_code == 200, answer.text
    assert answer.json["predictions"] == model.predict(rows).tolist()
    shares = [list(row.values()) for row in answer.json["probabilities"]]
    assert np.allclose(shares, model.predict_proba(rows), atol=1e-6)
    assert admin.get(f"/models/{fresh_name}/1/artifact").data == content


@pytest.mark.parametrize("filename", ["metadata.json", "blob", "metadata"])
def test_metadata_may_be_sent_as_a_file_part(admin, fresh_name, artifacts, filename):
    said = json.dumps({"description": "as a file: ä"}).encode()
    form = {
        "metadata": (io.BytesIO(said), filename, "application/json"),
        "artifact": (io.BytesIO(artifacts["line-1"]), "model.skops"),
    }
    answer = admin.post(
        f"/models/{fresh_name}/versions", data=form, content_type="multipart/form-data"
    )
    assert answer.status_code == 201, answer.text
    assert answer.json["description"] == "as a file: ä"


@pytest.mark.parametrize("metadata", ["", "{}"])
def test_empty_metadata_is_accepted(admin, fresh_name, artifacts, metadata):
    form = {"artifact": (io.BytesIO(artifacts["line-1"]), "m.skops"), "metadata": metadata}
    answer = admin.post(
        f"/models/{fresh_name}/versions", data=form, content_type="multipart/form-data"
    )
    assert answer.status_code == 201, answer.text


def test_a_chunked_upload_is_accepted(admin, fresh_name, artifacts):
    body = part('; name="artifact"; filename="model.skops"', artifacts["line-1"]) + END
    answer = admin.stream(f"/models/{fresh_name}/versions", WatchedStream(body), FORM)
    assert answer.status_code == 201, answer.text
    assert answer.json["artifact"]["sha256"] == hashlib.sha256(artifacts["line-1"]).hexdigest()


def test_a_repeated_upload_returns_the_first_response_and_creates_nothing(
    service, fresh_name, artifacts
):
    key = {"Idempotency-Key": f"run {fresh_name}"}
    first = service.admin.upload(fresh_name, artifacts["line-1"], {"tags": {"a": "b"}}, headers=key)
    service.admin.patch(f"/models/{fresh_name}/1", json={"description": "changed since"})
    before = service.stored()

    again = service.admin.upload(fresh_name, artifacts["line-1"], {"tags": {"a": "b"}}, headers=key)

    assert (again.status_code, again.json) == (201, first.json)
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert service.admin.get(f"/models/{fresh_name}").json["last_version"] == 1
    assert service.stored() == before


@pytest.mark.parametrize("changed", ["bytes", "metadata", "model"])
def test_reusing_a_key_for_another_request_is_a_conflict(service, fresh_name, artifacts, changed):
    key = {"Idempotency-Key": f"key-{fresh_name}"}
    service.admin.upload(fresh_name, artifacts["line-1"], headers=key)
    before = service.stored()

    answer = service.admin.upload(
        f"{fresh_name}-other" if changed == "model" else fresh_name,
        artifacts["line-2" if changed == "bytes" else "line-1"],
        {"description": "x"} if changed == "metadata" else None,
        headers=key,
    )

    check_problem(answer, 409, "idempotency-key-reused")
    assert service.admin.get(f"/models/{fresh_name}").json["last_version"] == 1
    assert service.admin.get(f"/models/{fresh_name}-other").status_code == 404
    assert service.stored() == before


def test_keys_of_different_tokens_are_independent(service, fresh_name, artifacts):
    key = {"Idempotency-Key": "the-same"}
    one, other = service.caller("upload"), service.caller("upload")
    assert one.upload(fresh_name, artifacts["line-1"], headers=key).json["version"] == 1
    assert other.upload(fresh_name, artifacts["line-2"], headers=key).json["version"] == 2


def test_a_refused_request_does_not_consume_its_key(admin, fresh_name, artifacts):
    key = {"Idempotency-Key": f"retry-{fresh_name}"}
    assert admin.upload(fresh_name, b"no model", headers=key).status_code == 422
    assert admin.upload(fresh_name, artifacts["line-1"], headers=key).status_code == 201


@pytest.mark.parametrize("key", ["", "k" * 201, "a\tb", "clé"])
def test_a_malformed_key_is_refused(service, fresh_name, artifacts, key):
    before = service.stored()
    answer = service.admin.upload(fresh_name, artifacts["line-1"], headers={"Idempotency-Key": key})
    check_problem(answer, 400, "idempotency-key-malformed")
    assert service.admin.get(f"/models/{fresh_name}").status_code == 404
    assert service.stored() == before


def test_concurrent_uploads_get_consecutive_numbers(service, fresh_name, artifacts):
    ready = threading.Barrier(8)

    def upload(index):
        caller = Caller(service.app, ADMIN_TOKEN)
        ready.wait()
        return [caller.upload(fresh_name, artifacts[f"line-{index % 3 + 1}"]) for _ in range(2)]

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for both in pool.map(upload, range(8)) for answer in both]

    assert {answer.status_code for answer in answers} == {201}
    assert sorted(answer.json["version"] for answer in answers) == list(range(1, 17))
    page = service.admin.get(f"/models/{fresh_name}/versions").json
    assert [item["version"] for item in page["items"]] == list(range(16, 0, -1))


def test_a_slow_upload_holds_no_database_connection(service, fresh_name, artifacts):
    seen = set()
    pool = service.services.database.engine.pool
    body = part('; name="artifact"; filename="model.skops"', artifacts["line-1"]) + END
    stream = WatchedStream(body, watch=lambda: seen.add(pool.checkedout()))
    answer = service.admin.stream(f"/models/{fresh_name}/versions", stream, FORM, len(body))
    assert answer.status_code == 201, answer.text
    assert seen == {0}


def test_concurrent_equal_uploads_with_reuse_create_one_version(service, fresh_name, artifacts):
    said = {"metrics": {"rmse": 1.5}, "lineage": {"git_commit": "1a2b3c", "parent_version": 1}}
    callers = [service.caller("upload") for _ in range(4)]
    at_once = threading.Barrier(len(callers))

    def send(caller):
        at_once.wait(30)
        return caller.upload(fresh_name, artifacts["line-1"], said, reuse=True)

    with ThreadPoolExecutor(len(callers)) as threads:
        answers = list(threads.map(send, callers))

    assert {(answer.status_code, answer.json["version"]) for answer in answers} == {(201, 1)}
    replayed = [answer.headers.get("Idempotent-Replayed") for answer in answers]
    assert sorted(replayed, key=str) == [None, "true", "true", "true"]
    assert service.admin.get(f"/models/{fresh_name}/versions").json["total"] == 1
    history = service.admin.get(f"/models/{fresh_name}/history").json["items"]
    assert [event["type"] for event in history[:4]] == [*["upload_reused"] * 3, "registered"]
    assert {event["to_version"] for event in history[:4]} == {1}


@pytest.mark.parametrize(
    "other",
    [
        {"metrics": {"rmse": 0.5}},
        {"lineage": {"git_commit": "4d5e6f"}},
        {
            "signature": {
                "inputs": [{"name": "z", "type": "number"}],
                "output": {"name": "y", "type": "number"},
            }
        },
    ],
)
def test_equal_bytes_with_other_metadata_are_another_version(service, fresh_name, artifacts, other):
    said = {"metrics": {"rmse": 1.5}, "lineage": {"git_commit": "1a2b3c"}}
    service.admin.upload(fresh_name, artifacts["line-1"], said)

    answer = service.admin.upload(fresh_name, artifacts["line-1"], {**said, **other}, reuse=True)

    assert (answer.status_code, answer.json["version"]) == (201, 2)


def test_an_archived_version_is_not_reused(service, fresh_name, artifacts):
    service.admin.upload(fresh_name, artifacts["line-1"])
    service.admin.delete(f"/models/{fresh_name}/1")

    answer = service.admin.upload(fresh_name, artifacts["line-1"], reuse=True)

    assert (answer.status_code, answer.json["version"]) == (201, 2)
