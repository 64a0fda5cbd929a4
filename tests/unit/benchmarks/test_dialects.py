"""How the same rows are sent to each server."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from benchmarks.dialects import (
    BENTOML,
    FASTAPI,
    FLASK,
    HOTSWAP,
    MLFLOW,
    MLSERVER,
    Dialect,
    Request,
)
from benchmarks.workloads import Workload

ROWS = pd.DataFrame({"age": [41.0, np.nan], "place": ["INLAND", "ISLAND"]})
RECORDS = [{"age": 41.0, "place": "INLAND"}, {"age": None, "place": "ISLAND"}]


def ask(dialect: Dialect, rows: pd.DataFrame, form: str = "records") -> Request:
    (request,) = dialect.requests(Workload("", "housing", form, [rows], [np.zeros(len(rows))]))
    return request


@pytest.mark.parametrize(
    ("dialect", "path", "body"),
    [
        (HOTSWAP, "/models/housing/predict", {"instances": RECORDS}),
        (FLASK, "/housing/predict", RECORDS),
        (FASTAPI, "/housing/predict_many", RECORDS),
        (MLFLOW, "/invocations", {"dataframe_records": RECORDS}),
        (BENTOML, "/predict_housing", {"rows": RECORDS}),
    ],
)
def test_rows_become_records_with_null_for_missing_values(
    dialect: Dialect, path: str, body: object
) -> None:
    request = ask(dialect, ROWS)

    assert (request.path, json.loads(request.body)) == (path, body)


def test_mlserver_gets_columns_as_a_data_frame() -> None:
    body = json.loads(ask(MLSERVER, ROWS).body)

    assert body["parameters"] == {"content_type": "pd"}
    assert [(one["name"], one["datatype"], one["data"]) for one in body["inputs"]] == [
        ("age", "FP64", [41.0, None]),
        ("place", "BYTES", ["INLAND", "ISLAND"]),
    ]


def test_one_row_is_one_record() -> None:
    assert json.loads(ask(HOTSWAP, ROWS[:1]).body) == RECORDS[0]
    assert json.loads(ask(FLASK, ROWS[:1]).body) == RECORDS[0]
    assert ask(FASTAPI, ROWS[:1]).path == "/housing/predict"


def test_rows_by_position_are_sent_in_other_systems_protocols() -> None:
    rows = [list(record.values()) for record in RECORDS]
    request = ask(HOTSWAP, ROWS, "scoring")
    split = {"columns": ["age", "place"], "data": rows}
    assert request.path == "/models/housing/invocations"
    assert json.loads(request.body) == {"dataframe_split": split}
    request = ask(HOTSWAP, ROWS, "tensorflow")
    assert request.path == "/v1/models/housing:predict"
    assert json.loads(request.body) == {"instances": rows}


def test_arrow_is_sent_and_requested() -> None:
    request = ask(HOTSWAP, ROWS, "arrow")

    assert request.accept == request.content_type == "application/vnd.apache.arrow.stream"
    assert pa.ipc.open_stream(request.body).read_all().num_rows == 2


def test_binary_tensors_follow_their_json() -> None:
    request = ask(HOTSWAP, ROWS, "tensors")

    assert request.headers()["Inference-Header-Content-Length"] == str(request.json_size)
    described = json.loads(request.body[: request.json_size])
    assert [one["datatype"] for one in described["inputs"]] == ["FP64", "BYTES"]
    assert request.body.endswith(b"\6\0\0\0INLAND\6\0\0\0ISLAND")


def test_tensors_are_read_from_both_forms() -> None:
    head = json.dumps({"outputs": [{"datatype": "FP64"}]}).encode()
    raw = np.array([1.5, 2.5]).tobytes()
    assert HOTSWAP.answers(head + raw, "application/octet-stream").tolist() == [1.5, 2.5]
    answer = json.dumps({"outputs": [{"data": [1.5]}]}).encode()
    assert HOTSWAP.answers(answer, "application/json") == [1.5]


def test_a_request_contains_its_length_and_the_token() -> None:
    head, _, body = Request("/predict", b"{}").wire(8460, "secret").partition(b"\r\n\r\n")

    assert body == b"{}"
    assert head.decode().split("\r\n") == [
        "POST /predict HTTP/1.1",
        "Host: 127.0.0.1:8460",
        "Content-Type: application/json",
        "Content-Length: 2",
        "Authorization: Bearer secret",
    ]
