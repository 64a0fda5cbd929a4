"""TensorFlow Serving's REST API and KServe's protocol V1: what clients send, and what they read."""

import gzip
import json
import zlib
from base64 import b64encode

import pytest

from tests.integration.api.conftest import check_error_text, check_fast_path, check_problem

COLUMNS = ["sepal_l", "sepal_w", "petal_l", "petal_w"]
ROWS = [[5.1, 3.5, 1.4, 0.2], [7.7, 2.6, 6.9, 2.3]]
LABELS = ["setosa", "virginica"]
RECORDS = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
BY_COLUMN = {name: [row[at] for row in ROWS] for at, name in enumerate(COLUMNS)}
SHAPED = {name: [[cell] for cell in cells] for name, cells in BY_COLUMN.items()}
IRIS = "/v1/models/iris"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def house(module_app, artifacts):
    """Two models with a version in production, one of them with another one, a model of one column
    and a model with archived versions and no alias."""
    service = module_app(max_predict_mb=1)
    for name, artifact in (("iris", "iris-names"), ("housing", "housing"), ("line", "line-2")):
        service.admin.upload(name, artifacts[artifact])
        service.admin.promote(name, 1)
    service.admin.upload("iris", artifacts["iris-names"])
    service.admin.promote("iris", 2, alias="next")
    service.admin.upload("iris", artifacts["iris-names"])
    service.admin.upload("spare", artifacts["plane"])
    service.admin.upload("spare", artifacts["plane"])
    service.admin.delete("/models/spare/2")
    return service


@pytest.fixture(scope="module")
def client(house):
    return house.caller("predict")


def predict(caller, body, path=f"{IRIS}:predict", content_type=None, **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return caller.post(path, data=data, content_type=content_type, headers=headers)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"instances": ROWS}, "predictions"),
        ({"instances": RECORDS}, "predictions"),
        ({"signature_name": "serving_default", "instances": ROWS}, "predictions"),
        ({"inputs": BY_COLUMN}, "outputs"),
        ({"inputs": SHAPED}, "outputs"),
        ({"inputs": ROWS, "signature_name": "serving_default"}, "outputs"),
    ],
)
def test_rows_are_answered_under_the_key_of_their_form(client, body, key):
    answer = predict(client, body)
    assert (answer.status_code, answer.json) == (200, {key: LABELS})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Model-Version"] == "1"


@pytest.mark.parametrize(
    "content_type", [None, FORM, "text/plain", "multipart/form-data; boundary=x", "\xe9", "a/b;c="]
)
def test_any_content_type_is_read_as_json(client, content_type):
    answer = predict(client, {"instances": ROWS}, content_type=content_type)
    assert answer.json == {"predictions": LABELS}
    own = client.post("/models/iris/predict", data=b"{}", content_type="text/plain")
    check_problem(own, 415, "format-unsupported")


@pytest.mark.parametrize(
    ("coding", "encode"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_bodies_may_be_compressed(client, coding, encode):
    body = encode(json.dumps({"instances": ROWS}).encode())
    assert predict(client, body, **{"Content-Encoding": coding}).json == {"predictions": LABELS}


def test_cells_are_rows_of_a_model_with_one_column(client):
    own = client.post("/models/line/predict", json={"instances": [[1.0], [2.0], [5.0]]}).json
    for instances in ([1.0, 2.0, 5.0], [[1.0], [2.0], [5.0]]):
        answer = predict(client, {"instances": instances}, "/v1/models/line:predict")
        assert answer.json == {"predictions": own["predictions"]}


def test_texts_may_be_in_base64(client, trained):
    rows = trained["housing"].rows.head(4)
    records = json.loads(rows.to_json(orient="records"))
    own = client.post("/models/housing/predict", json={"instances": records}).json["predictions"]
    for record in records:
        for name, cell in record.items():
            if isinstance(cell, str):
                record[name] = {"b64": b64encode(cell.encode()).decode()}
    assert any(isinstance(cell, dict) for cell in records[0].values())
    answer = predict(client, {"instances": records}, "/v1/models/housing:predict")
    assert answer.json == {"predictions": own}


def test_a_bare_nan_is_a_missing_value(client, trained):
    records = trained["housing"].rows.head(12).to_dict("records")
    body = json.dumps({"instances": records})
    assert "NaN" in body
    own = client.post("/models/housing/invocations", data=body, content_type="application/json")
    assert predict(client, body.encode(), "/v1/models/housing:predict").json == own.json


@pytest.mark.parametrize(
    ("path", "version"),
    [
        (IRIS, "1"),
        (f"{IRIS}/versions/1", "1"),
        (f"{IRIS}/versions/3", "3"),
        (f"{IRIS}/labels/production", "1"),
        (f"{IRIS}/labels/next", "2"),
        (f"{IRIS}/labels/latest", "3"),
    ],
)
def test_versions_are_found_by_number_and_label(client, path, version):
    answer = predict(client, {"instances": ROWS}, f"{path}:predict")
    assert (answer.json, answer.headers["X-Model-Version"]) == ({"predictions": LABELS}, version)
    if path != IRIS:
        assert client.get(path).json["model_version_status"] == [available(version)]
    described = client.get(f"{path}/metadata").json
    assert described["model_spec"] == {"name": "iris", "signature_name": "", "version": version}


def available(version):
    status = {"error_code": "OK", "error_message": ""}
    return {"version": version, "state": "AVAILABLE", "status": status}


def test_the_status_lists_the_versions_that_an_alias_points_at(client):
    assert client.get(IRIS).json == {
        "model_version_status": [available("2"), available("1")],
        "name": "iris",
        "ready": True,
    }


def test_the_metadata_describe_columns_as_tensors(client):
    def tensor(name, kind):
        shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
        return {"dtype": kind, "tensor_shape": shape, "name": name}

    signatures = client.get(f"{IRIS}/metadata").json["metadata"]["signature_def"]["signature_def"]
    served = signatures["serving_default"]
    assert served["inputs"] == {name: tensor(name, "DT_DOUBLE") for name in COLUMNS}
    assert [one["dtype"] for one in served["outputs"].values()] == ["DT_STRING"]
    assert served["method_name"] == "tensorflow/serving/predict"


def test_the_list_has_the_covered_models_in_production(house, client):
    assert client.get("/v1/models").json == {"models": ["housing", "iris", "line"]}
    limited = house.caller("predict", models=["i*"])
    assert limited.get("/v1/models").json == {"models": ["iris"]}


BAD = [
    ({}, b"", 400, "body-malformed"),
    ({}, b"{", 400, "body-malformed"),
    ({}, b'{"instances":[[Infinity,1,1,1]]}', 400, "body-malformed"),
    ({}, b'{"instances":[[NaN,1,1,1]]}', 400, "input-refused"),
    ({}, b'{"a":"\xff","instances":[]}', 400, "body-malformed"),
    ({}, b'{"instances":' + b"[" * 5000, 400, "body-malformed"),
    ({}, b'{"instances":' + b"[" * 600 + b"]" * 600 + b"}", 400, "input-refused"),
    ({}, [], 400, "input-refused"),
    ({}, {}, 400, "input-refused"),
    ({}, RECORDS[0], 400, "input-refused"),
    ({}, {"instances": ROWS, "inputs": ROWS}, 400, "input-refused"),
    ({}, {"instances": []}, 400, "input-refused"),
    ({}, {"instances": None}, 400, "input-refused"),
    ({}, {"instances": [1, 2]}, 400, "input-refused"),
    ({}, {"instances": [[1, 2, 3]]}, 400, "input-refused"),
    ({}, {"instances": BY_COLUMN}, 400, "input-refused"),
    ({}, {"instances": [[{"b64": "?"}, 1, 1, 1]]}, 400, "input-refused"),
    ({}, {"inputs": {**BY_COLUMN, COLUMNS[0]: [1]}}, 400, "input-refused"),
    ({}, {"inputs": RECORDS[0]}, 400, "input-refused"),
    ({}, {"inputs": 3}, 400, "input-refused"),
    ({"Content-Encoding": "br"}, {"instances": ROWS}, 415, "coding-unsupported"),
    ({"Content-Encoding": "gzip"}, b"nothing", 400, "body-malformed"),
    ({}, b" " * (2**20 + 1), 413, "too-large"),
    ({"Authorization": "Bearer nobody"}, {"instances": ROWS}, 401, "unauthenticated"),
    ({"Authorization": ""}, {"instances": ROWS}, 401, "unauthenticated"),
    ({"Host": "evil.example"}, {"instances": ROWS}, 400, "host-refused"),
]


@pytest.mark.parametrize(("headers", "body", "status", "slug"), BAD)
def test_errors_have_the_member_that_clients_read(client, headers, body, status, slug):
    answer = predict(client, body, **headers)
    check_error_text(answer, status, slug)
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("POST", "/v1/models/nobody:predict", 404, "model-not-found"),
        ("POST", "/v1/models/spare:predict", 404, "version-not-found"),
        ("POST", f"{IRIS}/versions/99:predict", 404, "version-not-found"),
        ("POST", "/v1/models/spare/versions/2:predict", 404, "version-not-found"),
        ("POST", f"{IRIS}/labels/nobody:predict", 404, "version-not-found"),
        ("POST", f"{IRIS}/versions/predict:predict", 400, "reference-malformed"),
        ("POST", "/v1/models/a:b:predict", 400, "name-malformed"),
        ("POST", "/v1/models/-:predict", 400, "name-malformed"),
        ("POST", "/v1/models/:predict", 404, "not-found"),
        ("POST", f"{IRIS}/predict", 404, "not-found"),
        ("POST", f"{IRIS}:train", 404, "not-found"),
        ("POST", f"{IRIS}:classify", 400, "not-offered"),
        ("POST", f"{IRIS}/versions/1:regress", 400, "not-offered"),
        ("POST", f"{IRIS}/labels/next:explain", 400, "not-offered"),
        ("POST", IRIS, 405, "method-not-allowed"),
        ("GET", f"{IRIS}:predict", 405, "method-not-allowed"),
        ("GET", f"{IRIS}/versions/1:predict", 405, "method-not-allowed"),
        ("GET", f"{IRIS}/versions/99", 404, "version-not-found"),
        ("GET", f"{IRIS}/versions/99/metadata", 404, "version-not-found"),
        ("GET", f"{IRIS}/labels/nobody", 404, "version-not-found"),
        ("GET", "/v1/models/nobody", 404, "model-not-found"),
        ("GET", "/v1/models/nobody/metadata", 404, "model-not-found"),
        ("GET", "/v1/models/spare", 404, "version-not-found"),
        ("GET", "/v1/models/iris/nothing", 404, "not-found"),
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", "/v1", 404, "not-found"),
    ],
)
def test_what_is_not_there_has_the_same_form(client, method, path, status, slug):
    answer = client.ask(method, path)
    check_error_text(answer, status, slug)
    assert ("Allow" in answer.headers) == (status == 405)


def test_a_rate_is_limited_in_the_same_form(make_app):
    busy = make_app(rate_limit=2).caller("predict")
    answers = [busy.post("/v1/models/m:predict") for _ in range(8)]
    slowed = [answer for answer in answers if answer.status_code == 429]
    check_error_text(slowed[0], 429, "rate-limited")
    assert "Retry-After" in slowed[0].headers


def test_a_version_that_cannot_be_loaded_is_not_available(make_app, artifacts):
    service = make_app()
    service.admin.upload("m", artifacts["iris-names"])
    service.admin.promote("m", 1)
    before = service.stored()
    service.admin.upload("m", artifacts["line-2"])
    service.admin.promote("m", 2, alias="next")
    service.lose(service.stored() - before)
    service.services.pool.drop([("m", 2)])
    check_error_text(service.admin.get("/v1/models/m/labels/next"), 503, "blob-missing")
    second, first = service.admin.get("/v1/models/m").json["model_version_status"]
    assert first == available("1")
    assert (second["state"], second["status"]["error_code"]) == ("END", "UNAVAILABLE")
    assert second["status"]["error_message"]


def test_programs_find_at_the_root_that_the_process_is_alive(house):
    stranger = house.stranger()
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "text/html"}, {"Host": "10.0.0.7:8080"}):
        assert stranger.get("/", headers=headers).json == {"status": "alive"}
    check_problem(stranger.post("/"), 405, "method-not-allowed")


def test_predictions_are_counted_with_those_of_the_other_routes(make_app, artifacts):
    service = make_app()
    service.admin.upload("m", artifacts["iris-names"])
    service.admin.promote("m", 1)
    predict(service.admin, {"instances": ROWS}, "/v1/models/m:predict")
    predict(service.admin, {"inputs": ROWS}, "/v1/models/m/labels/production:predict")
    predict(service.admin, {"inputs": []}, "/v1/models/m/versions/1:predict")
    metrics = service.admin.get("/metrics").text
    counted = 'hotswap_predictions_total{alias="%s",model="m",outcome="%s",version="1"} %s'
    assert counted % ("production", "ok", "2.0") in metrics
    assert counted % ("", "refused", "1.0") in metrics
    for reference in ("", "/versions/<version:version>", "/labels/<version:version>"):
        route = f"/v1/models/<name>{reference}:predict"
        assert f'hotswap_requests_total{{method="POST",route="{route}"' in metrics


@pytest.mark.parametrize(
    ("headers", "content_type", "body"),
    [
        ({}, None, {"inputs": ROWS}),
        ({}, FORM, {"instances": RECORDS}),
        *((headers, None, body) for headers, body, *_ in BAD),
    ],
)
@pytest.mark.parametrize("path", [IRIS, f"{IRIS}/labels/next", "/v1/models/m/versions/1"])
def test_fast_path_and_flask_route_return_the_same_bytes(house, headers, content_type, body, path):
    check_fast_path(house, f"{path}:predict", body, content_type, **headers)


@pytest.mark.parametrize("beside", [{}, {"signature_name": "serving_default"}])
@pytest.mark.parametrize(
    ("key", "rows"),
    [
        ("instances", ROWS * 2000),
        ("instances", RECORDS * 2000),
        ("inputs", ROWS * 2000),
        ("inputs", {name: cells * 2000 for name, cells in BY_COLUMN.items()}),
        ("inputs", {name: cells * 2000 for name, cells in SHAPED.items()}),
    ],
)
def test_large_bodies_are_answered_as_small_ones(client, key, rows, beside):
    body = gzip.compress(json.dumps({**beside, key: rows}).encode())
    answer = predict(client, body, **{"Content-Encoding": "gzip"})
    assert list(answer.json.values()) == [LABELS * 2000], answer.text[:300]
