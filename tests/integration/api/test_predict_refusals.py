"""Predictions that are refused: each says what is wrong, and where."""

import json

import pytest

from tests.integration.api.conftest import WatchedStream, check_problem, places

ROW = {"median_income": 8.3, "bedrooms": 129, "ocean_proximity": "NEAR BAY", "county": "Napa"}
COLUMNS = list(ROW)
LIST = list(ROW.values())


@pytest.fixture(scope="module")
def served(service, artifacts):
    for name in ("housing", "iris-names", "plane"):
        service.admin.upload(f"refusing-{name}", artifacts[name])
        assert service.admin.promote(f"refusing-{name}", 1).status_code == 200
    return service.admin


def send(caller, body, content_type="application/json", path="/models/refusing-housing/predict"):
    data = body if isinstance(body, bytes) else json.dumps(body)
    return caller.post(path, data=data, content_type=content_type)


def without(*names):
    return {name: value for name, value in ROW.items() if name not in names}


INPUT_FAULTS = [
    # A column that is missing
    ({}, COLUMNS),
    (without("county"), ["county"]),
    (without("county", "median_income"), ["median_income", "county"]),
    ({"instances": [ROW, ROW, ROW, without("median_income")]}, ["instances[3].median_income"]),
    ({"dataframe_records": [without("county")]}, ["dataframe_records[0].county"]),
    ({"inputs": {name: [value] for name, value in without("county").items()}}, ["inputs.county"]),
    (
        {"dataframe_split": {"columns": COLUMNS[:3], "data": [LIST[:3]]}},
        ["dataframe_split.columns.county"],
    ),
    # A value of the wrong type
    ({**ROW, "median_income": "8.3"}, ["median_income"]),
    ({**ROW, "median_income": True}, ["median_income"]),
    ({**ROW, "median_income": [8.3]}, ["median_income"]),
    ({**ROW, "median_income": {"a": 1}}, ["median_income"]),
    ({**ROW, "ocean_proximity": 5}, ["ocean_proximity"]),
    ({**ROW, "ocean_proximity": False}, ["ocean_proximity"]),
    ({**ROW, "bedrooms": "many", "county": 1}, ["bedrooms", "county"]),
    (
        {"instances": [ROW, {**ROW, "median_income": "x"}, ROW, {**ROW, "median_income": []}]},
        ["instances[1].median_income", "instances[3].median_income"],
    ),
    ({"instances": [LIST, [1, 2, "INLAND", 4]]}, ["instances[1][3]"]),
    ({"X": [["x", 2, "INLAND", "Napa"]]}, ["X[0][0]"]),
    ({"input": [1, "x", "INLAND", "Napa"]}, ["input[1]"]),
    ({"inputs": {**{n: [v] for n, v in ROW.items()}, "bedrooms": ["x"]}}, ["inputs.bedrooms[0]"]),
    (
        {"dataframe_split": {"columns": COLUMNS[::-1], "data": [["Napa", "x", "y", 1]]}},
        ["dataframe_split.data[0][2]"],
    ),
    # A null where none is allowed
    ({**ROW, "median_income": None}, ["median_income"]),
    ({**ROW, "ocean_proximity": None}, ["ocean_proximity"]),
    ({"instances": [ROW, {**ROW, "median_income": None}]}, ["instances[1].median_income"]),
    ({"X": [[None, None, "INLAND", None]]}, ["X[0][0]"]),
    # A row of the wrong length
    ({"input": LIST[:3]}, ["input"]),
    ({"input": [*LIST, 5]}, ["input"]),
    ({"input": [LIST]}, ["input"]),
    ({"X": [LIST, LIST[:2]]}, ["X[1]"]),
    ({"instances": [LIST, LIST, []]}, ["instances[2]"]),
    (
        {"dataframe_split": {"columns": COLUMNS, "data": [LIST, LIST[:1]]}},
        ["dataframe_split.data[1]"],
    ),
    ({"inputs": {**{n: [v] for n, v in ROW.items()}, "county": []}}, ["inputs.county"]),
    ({"inputs": {**{n: [v] for n, v in ROW.items()}, "county": "Napa"}}, ["inputs.county"]),
    # Rows of mixed or wrong sorts
    ({"instances": [ROW, LIST]}, ["instances[1]"]),
    ({"instances": [LIST, ROW]}, ["instances[1]"]),
    ({"instances": [5]}, ["instances[0]"]),
    ({"X": [ROW]}, ["X[0]"]),
    ({"X": [5, LIST]}, ["X[0]"]),
    ({"instances": ROW}, ["instances"]),
    ({"instances": None}, ["instances"]),
    ({"X": 5}, ["X"]),
    ({"dataframe_split": []}, ["dataframe_split"]),
    ({"dataframe_split": {"columns": COLUMNS}}, ["dataframe_split"]),
    ({"dataframe_split": {"columns": ["a", "a"], "data": []}}, ["dataframe_split.columns"]),
    ({"dataframe_split": {"columns": [5], "data": []}}, ["dataframe_split.columns"]),
    # A number that none is
    ({**ROW, "median_income": 10**400}, ["median_income"]),
]


@pytest.mark.parametrize(("body", "at"), INPUT_FAULTS)
def test_invalid_rows_are_refused_with_their_locations(served, body, at):
    answer = send(served, body)
    check_problem(answer, 422, "input-refused")
    assert places(answer) == at


@pytest.mark.parametrize(
    "body",
    [
        {"instances": []},
        {"X": []},
        {"inputs": []},
        {"inputs": {name: [] for name in COLUMNS}},
        {"dataframe_records": []},
        {"dataframe_split": {"columns": COLUMNS, "data": []}},
    ],
)
def test_an_empty_batch_is_refused(served, body):
    problem = check_problem(send(served, body), 422, "input-refused")
    assert "empty" in problem["detail"]


@pytest.mark.parametrize(
    "body",
    [
        [],
        [ROW],
        "x",
        5,
        None,
        True,
        {"instances": [ROW], "X": [LIST]},
        {"input": [1], "inputs": {}},
    ],
)
def test_an_unknown_form_of_json_is_refused(served, body):
    check_problem(send(served, body), 422, "input-refused")


def test_at_most_twenty_faults_are_named(served):
    rows = [{**ROW, "median_income": "x"}] * 500
    answer = send(served, {"instances": rows})
    check_problem(answer, 422, "input-refused")
    assert places(answer) == [f"instances[{row}].median_income" for row in range(20)]
    assert "20 " in answer.json["detail"]


LINE = b'{"median_income": 8.3, "bedrooms": %s, "ocean_proximity": "A", "county": "B"}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        LINE[:-1] % b"1",
        LINE % b"NaN",
        LINE % b"Infinity",
        LINE % b"-Infinity",
        LINE % b"nan",
        LINE % b"01",
        LINE % b"0x10",
        LINE % b"1,",
        LINE % b'"\\ud800"',
        LINE % b'"\xff"',
        LINE % b'"a\x00b"',
        b"\xef\xbb\xbf" + LINE % b"1",
        (LINE % b"1").decode().encode("utf-16"),
        (LINE % b"1") + b"{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"{'a': 1}",
        b"a=1&b=2",
    ],
)
def test_invalid_json_is_malformed(served, body):
    check_problem(send(served, body), 400, "body-malformed")


@pytest.mark.parametrize("number", [b"9" * 5000, b"-" + b"9" * 5000, b"1e999", b"1e99999999999999"])
def test_a_number_out_of_range_is_refused(served, number):
    answer = send(served, LINE % number)
    assert answer.status_code in (400, 422)
    check_problem(answer, answer.status_code, answer.json["type"].removeprefix("/problems/"))
    assert len(answer.data) < 1000


CSV_HEAD = b"median_income,bedrooms,ocean_proximity,county\n"


@pytest.mark.parametrize(
    ("body", "at"),
    [
        (b"median_income,bedrooms,county\n1,2,Napa\n", ["header.ocean_proximity"]),
        (CSV_HEAD.replace(b"county", b"county,county") + b"1,2,A,B,C\n", ["header"]),
        (CSV_HEAD + b"1,2,A,B\n1,2,A\n", ["rows[1]"]),
        (CSV_HEAD + b"1,2,A,B,C\n", ["rows[0]"]),
        (CSV_HEAD + b"1,2,A,B\nx,2,A,B\n", ["rows[1].median_income"]),
        (CSV_HEAD + b",2,A,B\n", ["rows[0].median_income"]),
        (CSV_HEAD + b"1,2,,B\n", ["rows[0].ocean_proximity"]),
        (CSV_HEAD + b"NaN,2,A,B\n", ["rows[0].median_income"]),
        (CSV_HEAD + b"1,Infinity,A,B\n", ["rows[0].bedrooms"]),
        (CSV_HEAD + b"1e999,2,A,B\n", ["rows[0].median_income"]),
        (CSV_HEAD + b"1_0,2,A,B\n", ["rows[0].median_income"]),
        (CSV_HEAD + "\u0661,2,A,B\n".encode(), ["rows[0].median_income"]),
        (CSV_HEAD.replace(b",", b";") + b"1;2;A;B\n", [f"header.{name}" for name in COLUMNS]),
        (CSV_HEAD, []),
    ],
)
def test_invalid_csv_rows_are_refused_with_their_locations(served, body, at):
    answer = send(served, body, "text/csv")
    check_problem(answer, 422, "input-refused")
    assert places(answer) == at


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        CSV_HEAD + b'1,2,"A,B\n',
        CSV_HEAD + b"1,2,caf\xe9,B\n",
        CSV_HEAD.decode().encode("utf-16"),
        CSV_HEAD + b'1,2,"A" x,B\n',
        CSV_HEAD + b"1,2," + b"x" * 200_000 + b",B\n",
    ],
)
def test_invalid_csv_is_malformed(served, body):
    check_problem(send(served, body, "text/csv"), 400, "body-malformed")


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "at"),
    [
        (b"", COLUMNS),
        (b"median_income=1&bedrooms=2&county=B", ["ocean_proximity"]),
        (b"median_income=x&bedrooms=2&ocean_proximity=A&county=B", ["median_income"]),
        (b"median_income=&bedrooms=2&ocean_proximity=A&county=B", ["median_income"]),
        (
            b"median_income=1&median_income=2&bedrooms=2&ocean_proximity=A&county=B",
            ["median_income"],
        ),
    ],
)
def test_an_invalid_form_is_refused_with_the_location_of_the_fault(served, body, at):
    answer = send(served, body, FORM)
    check_problem(answer, 422, "input-refused")
    assert places(answer) == at


@pytest.mark.parametrize(
    "body", [b'{"median_income": 1}', b"\xff=1", b"a=%FF", b"a", b"&".join([b"a=1"] * 30_000)]
)
def test_a_malformed_form_is_refused(served, body):
    check_problem(send(served, body, FORM), 400, "body-malformed")


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/json; charset=latin-1",
        "text/csv; charset=utf-16",
        "application/json\x00",
        "x" * 10_000,
    ],
)
def test_an_unsupported_content_type_is_415(served, content_type):
    answer = send(served, ROW, content_type)
    check_problem(answer, 415, "format-unsupported")
    assert len(answer.data) < 1000


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml", "application/json;q=0", "text/html, image/*"]
)
def test_an_unsupported_response_format_is_406(served, accept):
    answer = served.post(
        "/models/refusing-plane/predict", json={"input": [1, 2]}, headers={"Accept": accept}
    )
    problem = check_problem(answer, 406, "not-acceptable")
    assert "application/json" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "status", "slug"),
    [
        ("/models/nobody/predict", 404, "model-not-found"),
        ("/models/nobody/1/predict", 404, "model-not-found"),
        ("/models/refusing-plane/2/predict", 404, "version-not-found"),
        ("/models/refusing-plane/0/predict", 404, "version-not-found"),
        ("/models/refusing-plane/staging/predict", 404, "version-not-found"),
        ("/models/refusing-plane/01/predict", 400, "reference-malformed"),
        ("/models/refusing-plane/versions/predict", 404, "not-found"),
        ("/models/-x/predict", 400, "name-malformed"),
        ("/models/REFUSING-plane/predict", 404, "model-not-found"),
        ("/models/refusing-plane/predict?probabilities=true", 422, "no-probabilities"),
        ("/models/refusing-iris-names/predict?probabilities=yes", 400, "parameter-malformed"),
        ("/models/refusing-iris-names/predict?probabilities=", 400, "parameter-malformed"),
    ],
)
def test_invalid_query_parameters_are_refused(served, path, status, slug):
    check_problem(send(served, {"input": [1, 2]}, path=path), status, slug)


def test_predicting_without_a_version_requires_the_alias_production(service, unchanged):
    name, _ = unchanged
    answer = send(service.admin, {"input": [1]}, path=f"/models/{name}/predict")
    check_problem(answer, 404, "version-not-found")


@pytest.fixture
def small(make_app, artifacts):
    service = make_app(max_predict_mb=1)
    service.admin.upload("m", artifacts["line-1"])
    return service


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_above_the_limit_is_refused_before_it_is_read_completely(small, announced):
    size = 50 * 2**20
    stream = WatchedStream(b'{"X": [', size)
    answer = small.admin.stream(
        "/models/m/1/predict", stream, "application/json", size if announced else None
    )
    check_problem(answer, 413, "too-large")
    assert stream.taken <= (0 if announced else 2 * 2**20)


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_of_exactly_the_limit_is_accepted(small, announced):
    for size, status in ((2**20, 200), (2**20 + 1, 413)):
        stream = WatchedStream(b'{"input": [1]}'.ljust(size))
        answer = small.admin.stream(
            "/models/m/1/predict", stream, "application/json", size if announced else None
        )
        assert answer.status_code == status


def test_rows_are_never_dropped_silently(small):
    stream = WatchedStream(b"x0\n" + b"1\n" * 2**20)
    answer = small.admin.stream("/models/m/1/predict", stream, "text/csv")
    problem = check_problem(answer, 413, "too-large")
    assert "HOTSWAP_MAX_PREDICT_MB" in problem["detail"]


@pytest.mark.parametrize(
    ("value", "fits"), [(3, True), (3.5, False), ("3", False), (True, False), (None, False)]
)
def test_an_integer_column_accepts_only_integers(service, artifacts, fresh_name, value, fits):
    signature = {
        "inputs": [{"name": "rooms", "type": "integer"}],
        "output": {"name": "price", "type": "number"},
    }
    service.admin.upload(fresh_name, artifacts["line-1"], {"signature": signature})
    answer = send(service.admin, {"rooms": value}, path=f"/models/{fresh_name}/1/predict")
    if fits:
        assert answer.status_code == 200
    else:
        check_problem(answer, 422, "input-refused")
        assert places(answer) == ["rooms"]


def test_a_refused_prediction_changes_nothing(served, trained):
    for _ in range(3):
        send(served, {"instances": [{}]})
    row = trained["plane"].rows[0]
    answer = send(served, {"input": row.tolist()}, path="/models/refusing-plane/predict")
    assert answer.json["prediction"] == trained["plane"].model.predict([row])[0]
