"""MLflow's scoring protocol and SageMaker's contract: what clients send, and what they read."""

import gzip
import io
import json

import pytest

from tests.integration.api.conftest import Caller, check_error_code, check_fast_path, check_problem

COLUMNS = ["sepal_l", "sepal_w", "petal_l", "petal_w"]
ROWS = [[5.1, 3.5, 1.4, 0.2], [7.7, 2.6, 6.9, 2.3]]
LABELS = ["setosa", "virginica"]
RECORDS = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
BY_COLUMN = {name: [row[at] for row in ROWS] for at, name in enumerate(COLUMNS)}
SPLIT = {"columns": COLUMNS, "index": [0, 1], "data": ROWS}
LINES = "".join(f"{','.join(map(str, row))}\n" for row in ROWS).encode()
HEADER = f"{','.join(COLUMNS)}\n".encode()
JSON = "application/json"
CSV = "text/csv"


def score(caller, body, content_type=JSON, path="/models/iris/invocations", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return caller.post(path, data=data, content_type=content_type, headers=headers)


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": SPLIT},
        {"dataframe_split": {"index": [0, 1], "columns": COLUMNS, "data": ROWS}, "params": {}},
        {"dataframe_split": {**SPLIT, "columns": COLUMNS[::-1], "data": [r[::-1] for r in ROWS]}},
        {"dataframe_records": RECORDS, "params": {"temperature": 1}},
        {"params": None, "instances": ROWS},
        {"instances": RECORDS, "signature_name": "serving_default"},
        {"inputs": ROWS},
        {"inputs": RECORDS},
        {"inputs": BY_COLUMN},
        {"params": {}, "inputs": BY_COLUMN},
    ],
)
@pytest.mark.parametrize("content_type", [JSON, f"{JSON}; charset=utf-8", None])
def test_rows_are_accepted_under_each_key(client, body, content_type):
    answer = score(client, body, content_type)
    assert (answer.status_code, answer.json) == (200, {"predictions": LABELS})
    assert answer.headers["Content-Type"] == JSON
    assert answer.headers["X-Model-Version"] == "1"


@pytest.mark.parametrize("body", [{"inputs": RECORDS[0]}, {"inputs": RECORDS[:1]}])
def test_one_record_is_a_batch_of_one(client, body):
    assert score(client, body).json == {"predictions": LABELS[:1]}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (CSV, HEADER + LINES),
        (f"{CSV}; charset=utf-8", HEADER + LINES),
        (f"{CSV}; header=present", HEADER + LINES),
        (f"{CSV};header=absent", LINES),
        (f"{CSV}; charset=UTF-8; Header=Absent", b"\xef\xbb\xbf" + LINES),
    ],
)
def test_csv_has_a_header_unless_its_type_says_otherwise(client, content_type, body):
    answer = score(client, body, content_type)
    assert (answer.status_code, answer.json) == (200, {"predictions": LABELS})


def test_parquet_is_accepted(client):
    pa = pytest.importorskip("pyarrow", reason="the extra arrow is not installed")
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(pa.table(BY_COLUMN), file)
    answer = score(client, file.getvalue(), "application/vnd.apache.parquet")
    assert answer.json == {"predictions": LABELS}


def test_predictions_are_lines_where_csv_is_accepted(client):
    answer = score(client, {"instances": ROWS}, Accept=CSV)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.text.splitlines() == LABELS


def test_missing_values_are_those_of_the_other_routes(client, trained):
    rows = trained["housing"].rows.head(12)
    split = json.loads(rows.to_json(orient="split"))
    own = client.post("/models/housing/predict", json={"dataframe_split": split})
    answer = score(client, {"dataframe_split": split}, path="/models/housing/invocations")
    assert answer.json == {"predictions": own.json["predictions"]}
    lines = rows.to_csv(index=False).encode()
    answer = score(client, lines, CSV, path="/models/housing/1/invocations")
    assert answer.json["predictions"] == pytest.approx(trained["housing"].model.predict(rows))


@pytest.mark.parametrize("count", [1, 1000])
def test_a_bare_nan_is_a_missing_value(client, trained, count):
    """MLflow's client writes what is missing in a DataFrame so, though JSON has no NaN."""
    split = trained["housing"].rows.head(12).to_dict("split", index=False)
    income, bedrooms, _, county = split["data"][0]
    split["data"][0] = [income, bedrooms, 'NaN, "NaN', county]
    split["data"] *= count
    body = json.dumps({"params": {}, "dataframe_split": split})
    assert body.count("NaN") == 5 * count

    answer = score(client, body.encode(), path="/models/housing/invocations")

    split["data"] = [[None if cell != cell else cell for cell in row] for row in split["data"]]  # noqa: PLR0124
    own = client.post("/models/housing/predict", json={"dataframe_split": split})
    assert own.status_code == 200, own.text
    assert answer.json == {"predictions": own.json["predictions"]}


def test_a_bare_nan_is_refused_where_a_value_is_required(client):
    answer = score(client, {"instances": [[5.1, float("nan"), 1.4, 0.2]]})
    assert (answer.status_code, answer.json["error_code"]) == (400, "BAD_REQUEST")
    assert answer.json["errors"][0]["at"].startswith("instances[0]")


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": [[Infinity, 1, 1, NaN]]}',
        b'{"instances": [[-NaN, 1, 1, 1]]}',
        b'{"instances": [[1e999, 1, 1, NaN]]}',
        b'{"instances": [[NaN',
        b'{"NaN": "' + b'\\"' * 300_000 + b"NaN",
        b"NaN" * 100_000,
    ],
)
def test_what_is_no_json_but_for_its_nans_is_refused(client, body):
    """The long text would take hours if it were searched again from each quote in it."""
    answer = score(client, body)
    assert (answer.status_code, answer.json["error_code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/models/iris/invocations", "1"),
        ("/models/iris/1/invocations", "1"),
        ("/models/iris/2/invocations", "2"),
        ("/models/iris/next/invocations", "2"),
        ("/models/iris/latest/invocations", "2"),
        ("/invocations", "2"),
    ],
)
def test_versions_are_found_by_number_and_alias(client, path, version):
    assert score(client, {"inputs": ROWS}, path=path).headers["X-Model-Version"] == version


BAD = [
    ({}, JSON, b"", 400, "body-malformed"),
    ({}, JSON, b"{", 400, "body-malformed"),
    ({}, JSON, b'{"instances":[[Infinity,1,1,1]]}', 400, "body-malformed"),
    ({}, JSON, b'{"params":{"a":"\xff"},"instances":[]}', 400, "body-malformed"),
    ({}, JSON, b'{"inputs":' + b"[" * 5000, 400, "body-malformed"),
    ({}, JSON, [], 400, "input-refused"),
    ({}, JSON, {}, 400, "input-refused"),
    ({}, JSON, RECORDS[0], 400, "input-refused"),
    ({}, JSON, {"input": ROWS[0]}, 400, "input-refused"),
    ({}, JSON, {"X": ROWS}, 400, "input-refused"),
    ({}, JSON, {"instances": ROWS, "inputs": ROWS}, 400, "input-refused"),
    ({}, JSON, {"instances": ROWS, "params": 3}, 400, "input-refused"),
    ({}, JSON, {"instances": []}, 400, "input-refused"),
    ({}, JSON, {"instances": None}, 400, "input-refused"),
    ({}, JSON, {"instances": [[1, 2, 3]]}, 400, "input-refused"),
    ({}, JSON, {"inputs": 3}, 400, "input-refused"),
    ({}, JSON, {"inputs": {}}, 400, "input-refused"),
    ({}, JSON, {"inputs": {**RECORDS[0], COLUMNS[0]: "x"}}, 400, "input-refused"),
    ({}, JSON, {"inputs": {**BY_COLUMN, COLUMNS[0]: 1}}, 400, "input-refused"),
    ({}, JSON, {"dataframe_split": ROWS}, 400, "input-refused"),
    ({}, JSON, {"dataframe_records": ROWS}, 400, "input-refused"),
    ({}, CSV, LINES, 400, "input-refused"),
    ({}, CSV, b"", 400, "body-malformed"),
    ({}, f"{CSV}; header=absent", b"", 400, "input-refused"),
    ({}, f"{CSV}; header=absent", b"1,2,3\n", 400, "input-refused"),
    ({}, f"{CSV}; header=absent", HEADER + LINES, 400, "input-refused"),
    ({}, f"{CSV}; charset=latin-1", HEADER + LINES, 415, "format-unsupported"),
    ({}, "application/x-www-form-urlencoded", {"instances": ROWS}, 415, "format-unsupported"),
    ({}, "application/vnd.apache.arrow.stream", b"x", 415, "format-unsupported"),
    ({}, "application/vnd.apache.parquet", b"PAR1", 400, "body-malformed"),
    ({"Content-Encoding": "br"}, JSON, {"instances": ROWS}, 415, "coding-unsupported"),
    ({"Content-Encoding": "gzip"}, JSON, b"nothing", 400, "body-malformed"),
    ({}, JSON, b" " * (2**20 + 1), 413, "too-large"),
    ({"Authorization": "Bearer nobody"}, JSON, {"instances": ROWS}, 401, "unauthenticated"),
    ({"Authorization": ""}, JSON, {"instances": ROWS}, 401, "unauthenticated"),
    ({"Host": "evil.example"}, JSON, {"instances": ROWS}, 400, "host-refused"),
]


@pytest.mark.parametrize(("headers", "content_type", "body", "status", "slug"), BAD)
def test_errors_have_the_members_that_clients_read(  # noqa: PLR0917 - a case has five
    client, headers, content_type, body, status, slug
):
    answer = score(client, body, content_type, **headers)
    body = check_error_code(answer, status, slug)
    assert body["error_code"] == ("UNAUTHENTICATED" if status == 401 else "BAD_REQUEST")
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_a_refused_cell_is_named_by_its_place(client):
    def places(body, content_type=JSON):
        return [fault["at"] for fault in score(client, body, content_type).json["errors"]]

    first, last = COLUMNS[0], COLUMNS[-1]
    assert places({"inputs": {**RECORDS[0], first: "x"}}) == [f"inputs.{first}"]
    assert places({"inputs": [RECORDS[0], {**RECORDS[0], last: None}]}) == [f"inputs[1].{last}"]
    split = {"columns": COLUMNS, "data": [[1, 2, 3, "x"]]}
    assert places({"dataframe_split": split, "params": {}}) == ["dataframe_split.data[0][3]"]
    assert places(b"1,2,3,x\n", f"{CSV}; header=absent") == [f"rows[0].{last}"]


def test_csv_whose_header_is_missing_is_explained(client):
    assert "header=absent" in score(client, LINES, CSV).json["message"]
    assert "header=absent" not in score(client, HEADER + b"x,1,1,1\n", CSV).json["message"]


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/models/iris/invocations", 405, "method-not-allowed"),
        ("GET", "/invocations", 405, "method-not-allowed"),
        ("POST", "/invocations/x", 404, "not-found"),
        ("POST", "/models/nobody/invocations", 404, "model-not-found"),
        ("POST", "/models/spare/invocations", 404, "version-not-found"),
        ("POST", "/models/spare/2/invocations", 404, "version-not-found"),
        ("POST", "/models/-/invocations", 400, "name-malformed"),
        ("POST", "/models/iris/_/invocations", 400, "reference-malformed"),
        ("POST", "/models/iris/ping/invocations", 404, "not-found"),
        ("GET", "/models/nobody/ping", 404, "not-served"),
        ("GET", "/models/-/1/ping", 404, "not-served"),
        ("GET", "/models/iris/_/health", 404, "not-served"),
        ("GET", "/models/spare/2/ping", 404, "not-served"),
        ("POST", "/ping", 405, "method-not-allowed"),
    ],
)
def test_what_is_not_there_has_the_same_form(client, method, path, status, slug):
    answer = client.ask(method, path)
    error = check_error_code(answer, status, slug)
    assert ("Allow" in answer.headers) == (status == 405)
    assert (error["error_code"] == "RESOURCE_DOES_NOT_EXIST") == (status == 404)


def test_other_paths_keep_their_own_form(client):
    for path in ("/pings", "/models/iris/invocation", "/models/nobody/1"):
        assert client.get(path).headers["Content-Type"] == "application/problem+json"


def test_a_rate_is_limited_in_the_same_form(make_app):
    busy = make_app(rate_limit=2).caller("predict")
    answers = [busy.post("/models/m/invocations") for _ in range(8)]
    slowed = [answer for answer in answers if answer.status_code == 429]
    error = check_error_code(slowed[0], 429, "rate-limited")
    assert error["error_code"] == "REQUEST_LIMIT_EXCEEDED"
    assert "Retry-After" in slowed[0].headers


@pytest.mark.parametrize(
    "path",
    [
        "/ping",
        "/health",
        "/models/iris/ping",
        "/models/iris/1/ping",
        "/models/iris/next/health",
        "/models/iris/latest/ping",
        "/models/spare/1/ping",
    ],
)
def test_a_probe_needs_no_token(house, path):
    for caller in (house.stranger(), Caller(house.app, "garbage")):
        if path == "/health" and caller.authorization:
            continue  # a token is for the report on the workers
        answer = caller.get(path, headers={"Accept": "*/*"})
        assert (answer.status_code, answer.data) == (200, b"\n"), answer.text


def test_a_probe_does_not_load_what_nobody_uses(house):
    house.stranger().get("/models/spare/1/ping")
    assert ("spare", 1) not in house.services.pool.loaded


def test_the_health_report_requires_a_token(house):
    assert house.admin.get("/health").json["status"] in {"ok", "warning", "fault"}
    stranger = house.stranger()
    asking = stranger.get("/health", headers={"Accept": "application/json"})
    check_problem(asking, 401, "unauthenticated")
    check_problem(Caller(house.app, "garbage").get("/health"), 401, "unauthenticated")


@pytest.mark.parametrize("path", ["/ping", "/health"])
def test_a_service_that_stops_does_not_answer_probes(house, path):
    answer = house.stranger().get(path, environ_overrides={"hotswap.draining": True})
    assert answer.status_code == 503


def test_the_probes_of_load_balancers_may_have_any_host(house):
    assert house.stranger().get("/ping", headers={"Host": "10.0.0.7:8080"}).status_code == 200


def test_a_version_that_cannot_be_loaded_does_not_answer_probes(make_app, artifacts):
    service = make_app(invocations_model="m/1")
    before = service.stored()
    service.admin.upload("m", artifacts["iris-names"])
    service.lose(service.stored() - before)
    assert service.admin.post("/models/m/1/predict", json={}).status_code == 503
    for path in ("/models/m/1/ping", "/ping"):
        answer = service.stranger().get(path)
        error = check_error_code(answer, 503, "unavailable")
        assert error["error_code"] == "TEMPORARILY_UNAVAILABLE"
        assert "Retry-After" in answer.headers


def test_invocations_are_answered_by_the_only_model_in_production(make_app, artifacts):
    service = make_app()
    path = "/invocations"
    check_error_code(service.stranger().post(path), 401, "unauthenticated")
    error = check_error_code(service.admin.post(path), 404, "not-served")
    assert "HOTSWAP_INVOCATIONS_MODEL" in error["message"]
    service.admin.upload("m", artifacts["iris-names"])
    service.admin.promote("m", 1)
    assert score(service.admin, {"inputs": ROWS}, path=path).json == {"predictions": LABELS}
    limited = service.caller("predict", models=["other"])
    check_error_code(score(limited, {"inputs": ROWS}, path=path), 403, "model-forbidden")
    service.admin.upload("n", artifacts["iris-names"])
    service.admin.promote("n", 1)
    check_error_code(score(service.admin, {"inputs": ROWS}, path=path), 404, "not-served")
    assert service.stranger().get("/ping").status_code == 200


def test_predictions_are_counted_with_those_of_the_other_routes(make_app, artifacts):
    service = make_app(invocations_model="m")
    service.admin.upload("m", artifacts["iris-names"])
    service.admin.promote("m", 1)
    score(service.admin, {"inputs": ROWS}, path="/models/m/invocations")
    score(service.admin, {"inputs": ROWS}, path="/invocations")
    score(service.admin, {"inputs": []}, path="/models/m/1/invocations")
    metrics = service.admin.get("/metrics").text
    counted = 'hotswap_predictions_total{alias="%s",model="m",outcome="%s",version="1"} %s'
    assert counted % ("production", "ok", "2.0") in metrics
    assert counted % ("", "refused", "1.0") in metrics
    below = "/models/<name>"
    for route in ("", below, f"{below}/<version:version>"):
        line = f'hotswap_requests_total{{method="POST",route="{route}/invocations"'
        assert line in metrics


@pytest.mark.parametrize(
    ("headers", "content_type", "body"),
    [
        ({}, JSON, {"inputs": ROWS}),
        ({"Accept": CSV}, CSV, HEADER + LINES),
        *((headers, kind, body) for headers, kind, body, *_ in BAD),
    ],
)
@pytest.mark.parametrize(
    "path", ["/models/iris/invocations", "/models/m/1/invocations", "/invocations"]
)
def test_fast_path_and_flask_route_return_the_same_bytes(house, headers, content_type, body, path):
    check_fast_path(house, path, body, content_type, **headers)


@pytest.mark.parametrize("beside", [{}, {"params": {}}])
@pytest.mark.parametrize("key", ["dataframe_split", "dataframe_records", "instances", "inputs"])
def test_large_bodies_are_answered_as_small_ones(client, key, beside):
    count = 2000
    rows = {
        "dataframe_split": {"columns": COLUMNS, "data": ROWS * count},
        "dataframe_records": RECORDS * count,
        "instances": ROWS * count,
        "inputs": RECORDS * count,
    }
    body = gzip.compress(json.dumps({key: rows[key], **beside}).encode())
    answer = score(client, body, **{"Content-Encoding": "gzip"})
    assert answer.json == {"predictions": LABELS * count}, answer.text[:300]
