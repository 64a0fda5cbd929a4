"""The Open Inference Protocol v2: what its clients send, and what they read of the answers."""

import gzip
import json
import struct
import zlib

import numpy as np
import pytest

from registry.codecs.tensor_texts import with_length
from tests.integration.api.conftest import Caller, check_error_text, check_fast_path

ROWS = [[5.1, 3.5, 1.4, 0.2], [7.7, 2.6, 6.9, 2.3]]
LABELS = ["setosa", "virginica"]
BINARY = "application/octet-stream"
HEADER = "Inference-Header-Content-Length"


def matrix(**members):
    return {"name": "input-0", "shape": [2, 4], "datatype": "FP64", **members}


FLAT = matrix(data=[number for row in ROWS for number in row])
PACKED = np.array(ROWS, "<f4").tobytes()
IN_BYTES = matrix(datatype="FP32", parameters={"binary_data_size": len(PACKED)})


def binary_body(request, *tensors):
    """A body, and the headers that say where its JSON ends."""
    head = json.dumps(request).encode()
    return head + b"".join(tensors), {HEADER: str(len(head))}


def infer(caller, body, path="/v2/models/iris/infer", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return caller.post(path, data=data, headers=headers)


def test_a_matrix_in_json_gives_labels_in_json(client):
    answer = infer(client, {"id": "7", "inputs": [FLAT]})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert HEADER not in answer.headers
    assert answer.headers["X-Model-Version"] == "1"
    assert answer.json == {
        "model_name": "iris",
        "model_version": "1",
        "id": "7",
        "outputs": [
            {
                "name": "predict",
                "datatype": "BYTES",
                "shape": [2, 1],
                "data": LABELS,
                "parameters": {"content_type": "str"},
            }
        ],
    }


def test_binary_tensors_are_answered_with_binary_tensors(client):
    request = {"id": "7", "inputs": [IN_BYTES], "parameters": {"binary_data_output": True}}
    body, headers = binary_body(request, PACKED)
    answer = infer(client, body, **headers)
    assert answer.headers["Content-Type"] == BINARY
    size = int(answer.headers[HEADER])
    assert json.loads(answer.data[:size])["outputs"] == [
        {
            "name": "predict",
            "datatype": "BYTES",
            "shape": [2, 1],
            "parameters": {"binary_data_size": 23},
        }
    ]
    assert answer.data[size:] == b"".join(with_length(label.encode()) for label in LABELS)


def test_outputs_may_be_mixed_and_equal_those_of_the_other_routes(client):
    outputs = [
        {"name": "predict_proba", "parameters": {"binary_data": True}},
        {"name": "predict"},
        {"name": "predict_proba", "parameters": {"classification": 1}},
    ]
    answer = infer(client, {"inputs": [FLAT], "outputs": outputs[:2]})
    size = int(answer.headers[HEADER])
    own = client.post("/models/iris/predict?probabilities=true", json={"instances": ROWS})
    expected = [list(row.values()) for row in own.json["probabilities"]]
    assert np.frombuffer(answer.data[size:], "<f8").reshape(2, 3).tolist() == expected
    assert json.loads(answer.data[:size])["outputs"][1]["data"] == own.json["predictions"]
    best = infer(client, {"inputs": [FLAT], "outputs": outputs[2:]}).json["outputs"][0]
    assert [text.split(":")[2] for text in best["data"]] == LABELS


def test_each_column_may_be_a_tensor(client, trained):
    rows = trained["housing"].rows.head(12)
    inputs, blobs = [], []
    for name, column in rows.items():
        if column.dtype == float and name == "bedrooms":
            blobs.append(column.to_numpy("<f8").tobytes())
            described = {"datatype": "FP64", "parameters": {"binary_data_size": len(blobs[-1])}}
        else:
            values = [None if value != value else value for value in column]  # noqa: PLR0124
            kind = "FP64" if column.dtype == float else "BYTES"
            described = {"datatype": kind, "data": values}
        inputs.append({"name": name, "shape": [len(rows), 1], **described})
    body, headers = binary_body({"inputs": inputs}, *blobs)
    answer = infer(client, body, "/v2/models/housing/infer", **headers)
    expected = trained["housing"].model.predict(rows)
    np.testing.assert_allclose(answer.json["outputs"][0]["data"], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/v2/models/iris/infer", "1"),
        ("/v2/models/iris/versions/1/infer", "1"),
        ("/v2/models/iris/versions/2/infer", "2"),
        ("/v2/models/iris/versions/next/infer", "2"),
        ("/v2/models/iris/versions/latest/infer", "2"),
        ("/v2/models/iris/versions/production/infer?timeout=5", "1"),
    ],
)
def test_versions_are_found_by_number_and_alias(client, path, version):
    assert infer(client, {"inputs": [FLAT]}, path).json["model_version"] == version


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_compressed_bodies_count_their_json_uncompressed(client, coding):
    body, headers = binary_body({"inputs": [IN_BYTES]}, PACKED * 1)
    compress = gzip.compress if coding == "gzip" else zlib.compress
    answer = infer(client, compress(body), **headers, **{"Content-Encoding": coding})
    assert answer.json["outputs"][0]["data"] == LABELS


@pytest.mark.parametrize(
    "headers",
    [
        {HEADER: "150"},
        {HEADER: "100000"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "deflate"},
        {HEADER: "10", "Content-Encoding": "gzip", "Content-Type": BINARY},
        {"Content-Type": "text/csv", "Accept": "image/png"},
    ],
)
def test_headers_that_clients_keep_from_other_requests_mean_nothing(client, headers):
    answer = infer(client, {"inputs": [FLAT]}, **headers)
    assert (answer.status_code, answer.json["outputs"][0]["data"]) == (200, LABELS)
    assert client.get("/v2/models/iris", headers=headers).status_code == 200
    assert client.post("/v2/repository/index", headers=headers).status_code == 200


BAD = [
    ({}, b"", 400, "body-malformed"),
    ({}, b"{", 400, "body-malformed"),
    ({}, {"inputs": 3}, 400, "input-refused"),
    ({}, {"inputs": [matrix(data=[1.0])]}, 400, "input-refused"),
    ({}, {"inputs": [matrix(data=["x"] * 8)]}, 400, "input-refused"),
    ({}, {"inputs": [FLAT], "outputs": [{"name": "x"}]}, 400, "input-refused"),
    ({HEADER: "many"}, {"inputs": [FLAT]}, 400, "body-malformed"),
    ({"Content-Encoding": "br"}, {"inputs": [FLAT]}, 415, "coding-unsupported"),
    ({"Content-Encoding": "gzip"}, b"\x1f\x8bnothing", 400, "body-malformed"),
    ({"Content-Encoding": "deflate"}, zlib.compress(bytes(2**21)), 413, "too-large"),
    ({}, b" " * (2**20 + 1), 413, "too-large"),
    ({"Authorization": "Bearer nobody"}, {"inputs": [FLAT]}, 401, "unauthenticated"),
    ({"Authorization": ""}, {"inputs": [FLAT]}, 401, "unauthenticated"),
    ({"Host": "evil.example"}, {"inputs": [FLAT]}, 400, "host-refused"),
]


@pytest.mark.parametrize(("headers", "body", "status", "slug"), BAD)
def test_errors_have_the_member_that_clients_read(client, headers, body, status, slug):
    answer = infer(client, body, **headers)
    check_error_text(answer, status, slug)
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/v2/nothing", 404, "not-found"),
        ("GET", "/v2/models/iris/nothing", 404, "not-found"),
        ("DELETE", "/v2/models/iris", 405, "method-not-allowed"),
        ("GET", "/v2/models/iris/infer", 405, "method-not-allowed"),
        ("GET", "/v2/models/nobody", 404, "model-not-found"),
        ("GET", "/v2/models/nobody/ready", 404, "model-not-found"),
        ("GET", "/v2/models/iris/versions/9/ready", 404, "version-not-found"),
        ("GET", "/v2/models/spare", 404, "version-not-found"),
        ("GET", "/v2/models/spare/versions/2/ready", 404, "version-not-found"),
        ("POST", "/v2/models/spare/infer", 404, "version-not-found"),
        ("GET", "/v2/models/nobody/stats", 404, "model-not-found"),
        ("GET", "/v2/models/spare/stats", 404, "version-not-found"),
        ("GET", "/v2/models/spare/versions/2/stats", 404, "version-not-found"),
        ("POST", "/v2/models/-/infer", 400, "name-malformed"),
        ("POST", "/v2/models/spare/versions/01/infer", 400, "reference-malformed"),
        ("POST", "/v2/repository/models/spare/load", 404, "version-not-found"),
        ("POST", "/v2/repository/models/iris/unload", 400, "not-offered"),
        ("GET", "/v2/systemsharedmemory/status", 400, "not-offered"),
        ("POST", "/v2/systemsharedmemory/region/input/register", 400, "not-offered"),
        ("GET", "/v2/cudasharedmemory/region/input/status", 400, "not-offered"),
        ("POST", "/v2/cudasharedmemory/unregister", 400, "not-offered"),
        ("GET", "/v2/trace/setting", 400, "not-offered"),
        ("POST", "/v2/models/iris/trace/setting", 400, "not-offered"),
        ("GET", "/v2/logging", 400, "not-offered"),
        ("POST", "/v2/logging", 400, "not-offered"),
    ],
)
def test_what_is_not_there_or_not_offered_has_the_same_form(client, method, path, status, slug):
    answer = client.ask(method, path)
    check_error_text(answer, status, slug)
    assert ("Allow" in answer.headers) == (status == 405)


def test_other_paths_keep_their_own_form(client):
    assert client.get("/v22").headers["Content-Type"] == "application/problem+json"


def test_failures_and_rates_are_limited_in_the_same_form(make_app):
    service = make_app(auth_failures=1, rate_limit=4)
    guesser, path = Caller(service.app, "hsw_guess"), "/v2/models/m/infer"
    answers = [guesser.post(path) for _ in range(3)]
    check_error_text(answers[-1], 429, "too-many-failures")
    for path in ("/v2/models/m/infer", "/v2/models/m/config"):
        busy = service.caller("predict")
        slowed = [
            answer
            for answer in (busy.ask("GET" if "config" in path else "POST", path) for _ in range(12))
            if answer.status_code == 429
        ]
        check_error_text(slowed[0], 429, "rate-limited")
        assert "Retry-After" in slowed[0].headers


def test_the_server_describes_itself(client):
    answer = client.get("/v2").json
    assert answer["name"] == "hotswap"
    assert answer["extensions"] == [
        "binary_tensor_data",
        "model_repository",
        "model_configuration",
        "statistics",
        "classification",
    ]
    stranger = Caller(client.app)
    assert stranger.get("/v2/health/live").json == {"live": True}
    assert stranger.get("/v2/health/ready").json == {"ready": True}
    for path in ("/v2/health/live", "/v2/health/ready"):
        answer = stranger.get(path, headers={"Host": "10.0.0.7:8000"})
        assert answer.status_code == 200


def test_the_health_of_a_service_that_stops_is_not_ready(client):
    answer = client.get("/v2/health/ready", environ_overrides={"hotswap.draining": True})
    assert (answer.status_code, answer.json["ready"]) == (503, False)
    assert answer.json["error"]


def test_a_model_describes_its_tensors(client):
    assert client.get("/v2/models/housing").json == {
        "name": "housing",
        "versions": ["1"],
        "platform": "hotswap_skops",
        "inputs": [
            {"name": "median_income", "datatype": "FP64", "shape": [-1, 1]},
            {
                "name": "bedrooms",
                "datatype": "FP64",
                "shape": [-1, 1],
                "parameters": {"nullable": True},
            },
            {
                "name": "ocean_proximity",
                "datatype": "BYTES",
                "shape": [-1, 1],
                "parameters": {"content_type": "str"},
            },
            {
                "name": "county",
                "datatype": "BYTES",
                "shape": [-1, 1],
                "parameters": {"nullable": True, "content_type": "str"},
            },
        ],
        "outputs": [{"name": "predict", "datatype": "FP64", "shape": [-1, 1]}],
        "parameters": {"version": "1", "task": "regression"},
    }
    iris = client.get("/v2/models/iris/versions/next").json
    assert iris["versions"] == ["1", "2"]
    assert iris["parameters"] == {"version": "2", "task": "classification"}
    assert iris["outputs"] == [
        {"name": "predict", "datatype": "BYTES", "shape": [-1, 1]},
        {
            "name": "predict_proba",
            "datatype": "FP64",
            "shape": [-1, 3],
            "parameters": {"classes": '["setosa","versicolor","virginica"]'},
        },
    ]


def test_the_configuration_does_not_hide_the_rows(client):
    config = client.get("/v2/models/housing/config").json
    assert config["max_batch_size"] == 0
    assert config["input"][2] == {
        "name": "ocean_proximity",
        "data_type": "TYPE_STRING",
        "dims": [-1, 1],
    }
    assert config["output"] == [{"name": "predict", "data_type": "TYPE_FP64", "dims": [-1, 1]}]


def test_models_and_versions_are_ready_or_not_there(client):
    assert client.get("/v2/models/housing/ready").json == {"name": "housing", "ready": True}
    assert client.get("/v2/models/spare/versions/1/ready").status_code == 200
    assert client.get("/v2/models").json == {"models": ["housing", "iris"]}


def test_the_index_has_the_versions_that_an_alias_points_at(client):
    def index(**body):
        data = json.dumps(body).encode() if body else b""
        return [
            (one["name"], one["version"], one["state"], one["reason"])
            for one in client.post("/v2/repository/index", data=data).json
        ]

    ready = [("housing", "1"), ("iris", "1"), ("iris", "2")]
    assert index(ready=True) == [(*one, "READY", "") for one in ready]
    spare = ("spare", "1", "UNAVAILABLE", "no alias points at it")
    assert index() == [*index(ready=True), spare]


def test_a_token_sees_the_models_that_it_covers(house):
    holder = house.caller("predict", models=["housing"])
    assert holder.get("/v2/models").json == {"models": ["housing"]}
    index = holder.post("/v2/repository/index").json
    assert {one["name"] for one in index} == {"housing"}


def test_loading_changes_nothing(client):
    path = "/v2/repository/models/housing/load"
    for body in (b"", b"{}", b'{"parameters":{"other":1}}'):
        answer = client.post(path, data=body)
        assert (answer.status_code, answer.json) == (200, {})
    for given in ("config", "file:1/model.onnx"):
        answer = client.post(path, data=json.dumps({"parameters": {given: "x"}}).encode())
        assert given in check_error_text(answer, 400, "not-offered")["error"]
    check_error_text(client.post(path, data=b"[]"), 400, "body-refused")
    check_error_text(client.post(path, data=b"{"), 400, "body-malformed")


def test_a_model_that_detects_outliers_has_scores(house, client):
    import skops.io
    from sklearn.ensemble import IsolationForest

    draws = np.random.default_rng(0).normal(size=(60, 2))
    model = IsolationForest(n_estimators=5, random_state=0).fit(draws)
    columns = [{"name": name, "type": "number"} for name in ("a", "b")]
    output = {"name": "inlier", "type": "integer", "classes": [-1, 1]}
    signature = {"inputs": columns, "output": output}
    house.admin.upload("detector", skops.io.dumps(model), {"signature": signature})
    described = client.get("/v2/models/detector/versions/1").json["outputs"]
    assert [one["name"] for one in described] == ["predict", "decision_function"]
    request = {
        "inputs": [{"name": "X", "shape": [2, 2], "datatype": "FP64", "data": [0, 0, 9, 9]}],
        "outputs": [{"name": "decision_function"}, {"name": "inlier"}],
    }
    scores, inlier = infer(client, request, "/v2/models/detector/versions/1/infer").json["outputs"]
    expected = model.decision_function([[0.0, 0.0], [9.0, 9.0]])
    np.testing.assert_allclose(scores["data"], expected, atol=1e-9)
    assert inlier["data"] == [1, -1]


def test_predictions_are_counted_with_those_of_the_other_routes(make_app, artifacts):
    service = make_app()
    service.admin.upload("m", artifacts["iris-names"])
    service.admin.promote("m", 1)
    infer(service.admin, {"inputs": [FLAT]}, "/v2/models/m/infer")
    infer(service.admin, {"inputs": []}, "/v2/models/m/versions/1/infer")
    metrics = service.admin.get("/metrics").text
    counted = 'hotswap_predictions_total{alias="%s",model="m",outcome="%s",version="1"} 1.0'
    assert counted % ("production", "ok") in metrics
    assert counted % ("", "refused") in metrics
    for route in ("/v2/models/<name>/infer", "/v2/models/<name>/versions/<version:version>/infer"):
        assert f'hotswap_requests_total{{method="POST",route="{route}"' in metrics


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, {"inputs": [FLAT]}),
        *((headers, body) for headers, body, *_ in BAD),
    ],
)
@pytest.mark.parametrize("path", ["/v2/models/iris-names/infer", "/v2/models/m/versions/1/infer"])
def test_fast_path_and_flask_route_return_the_same_bytes(house, headers, body, path):
    check_fast_path(house, path, body, **headers)


def test_large_bodies_are_answered_as_small_ones(client):
    count = 5000
    request = {"inputs": [{**IN_BYTES, "shape": [2 * count, 4]}]}
    request["inputs"][0]["parameters"] = {"binary_data_size": len(PACKED) * count}
    body, headers = binary_body(request, PACKED * count)
    assert infer(client, body, **headers).json["outputs"][0]["data"] == LABELS * count
    as_json = {"inputs": [{**FLAT, "shape": [2 * count, 4], "data": FLAT["data"] * count}]}
    assert infer(client, as_json).json["outputs"][0]["data"] == LABELS * count


def test_a_nan_of_a_client_that_writes_json_is_explained(client):
    body = json.dumps({"inputs": [matrix(data=[float("nan")] * 8)]}).encode()
    assert "binary form" in check_error_text(infer(client, body), 400, "body-malformed")["error"]
    packed = struct.pack("<8f", *[float("nan")] * 8)
    body, headers = binary_body({"inputs": [IN_BYTES]}, packed)
    error = check_error_text(infer(client, body, **headers), 400, "input-refused")
    assert error["errors"][0] == {
        "at": "inputs['input-0'][0][0]",
        "message": "null is not allowed here",
    }
