"""Predictions as CSV, alone and beside the rows that were sent."""

import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.integration.api.conftest import check_problem, near

CSV, JSON = "text/csv", "application/json"
ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def served(service, artifacts):
    for name in ("housing", "iris-names", "plane"):
        service.admin.upload(f"csv-{name}", artifacts[name])
        assert service.admin.promote(f"csv-{name}", 1).status_code == 200
    return service.admin


def predict(caller, name, body, content_type=CSV, query="", *, accept=CSV):
    path = f"/models/csv-{name}/predict{query}"
    return caller.post(path, data=body, content_type=content_type, headers={"Accept": accept})


def table(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["X-Model-Version"] == "1"
    return pd.read_csv(io.StringIO(answer.text))


def bodies(frame):
    """The same rows in each way to send them."""
    arrow = io.BytesIO()
    sent = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.ipc.new_stream(arrow, sent.schema) as writer:
        writer.write_table(sent)
    return {
        CSV: frame.to_csv(index=False).encode(),
        JSON: json.dumps({"instances": cells(frame).to_dict("records")}).encode(),
        ARROW: arrow.getvalue(),
    }


def cells(frame):
    """The frame with None for null."""
    return frame.astype(object).where(frame.notna(), None)


@pytest.mark.parametrize("content_type", [CSV, JSON, ARROW])
def test_csv_has_the_predictions_of_json(served, trained, content_type):
    one = trained["housing"]
    body = bodies(one.rows)[content_type]
    found = table(predict(served, "housing", body, content_type))
    expected = predict(served, "housing", body, content_type, accept=JSON).json["predictions"]
    assert list(found.columns) == ["prediction"]
    assert found["prediction"].tolist() == expected
    assert expected == near(one.model.predict(one.rows).tolist())


@pytest.mark.parametrize("content_type", [CSV, JSON, ARROW])
def test_csv_has_a_column_of_probabilities_for_each_class(served, trained, content_type):
    body = bodies(trained["iris-names"].rows)[content_type]
    query = "?probabilities=true"
    found = table(predict(served, "iris-names", body, content_type, query))
    expected = predict(served, "iris-names", body, content_type, query, accept=JSON).json
    names = [f"probability_{label}" for label in expected["probabilities"][0]]
    assert list(found.columns) == ["prediction", *names]
    assert found["prediction"].tolist() == expected["predictions"]
    assert found[names].to_numpy().tolist() == [
        list(row.values()) for row in expected["probabilities"]
    ]


@pytest.mark.parametrize("content_type", [CSV, JSON, ARROW])
def test_rows_come_back_before_their_predictions(served, trained, content_type):
    rows = trained["housing"].rows.iloc[:5].copy()
    rows["bedrooms"] = [np.nan, 3.0, np.nan, 4.5, 1 / 3]
    body = bodies(rows)[content_type]
    found = table(predict(served, "housing", body, content_type, "?with_inputs=true"))
    alone = table(predict(served, "housing", body, content_type))
    assert found.columns[-1] == "prediction"
    assert found["prediction"].tolist() == alone["prediction"].tolist()
    assert cells(found[rows.columns]).to_dict("list") == cells(rows).to_dict("list")


def test_all_columns_of_csv_come_back_unchanged(served):
    body = b'note,x1,x0,prediction\r\n"=SUM(A1,A2)",1.0,2,old\r\n007,03,4e0,\r\n'
    answer = predict(served, "plane", body, f"{CSV}; charset=utf-8", "?with_inputs=1")
    predictions = predict(served, "plane", body, accept=JSON).json["predictions"]
    assert answer.data.decode() == (
        "note,x1,x0,prediction,prediction_2\r\n"
        f'"=SUM(A1,A2)",1.0,2,old,{predictions[0]}\r\n'
        f"007,03,4e0,,{predictions[1]}\r\n"
    )


def test_a_single_row_is_a_table_of_one_row(served):
    for body in (b'{"x0": 1, "x1": 2}', b'{"input": [1, 2]}'):
        found = table(predict(served, "plane", body, JSON, "?with_inputs=true"))
        expected = predict(served, "plane", body, JSON, accept=JSON).json["prediction"]
        assert found.to_dict("records") == [{"x0": 1, "x1": 2, "prediction": expected}]


def test_large_bodies_come_back_whole(served):
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(20_000, 2)), columns=["x0", "x1"])
    for content_type, body in bodies(rows).items():
        found = table(predict(served, "plane", body, content_type, "?with_inputs=true"))
        assert found.shape == (20_000, 3)
        assert found[["x0", "x1"]].equals(rows)


def test_a_text_that_a_table_has_once_is_not_written_for_every_row_without_limit(served, trained):
    """Parquet and Arrow have a repeated text once, so a few kilobytes could become gigabytes."""
    rows = trained["housing"].rows.iloc[:1].loc[[0] * 50_000]
    columns = {name: pa.array(rows[name]) for name in rows.columns}
    once = pa.array(["x" * 10_000]).dictionary_encode()
    columns["county"] = pa.DictionaryArray.from_arrays([0] * 50_000, once.dictionary)
    body = io.BytesIO()
    sent = pa.table(columns)
    with pa.ipc.new_stream(body, sent.schema) as writer:
        writer.write_table(sent)

    answer = predict(served, "housing", body.getvalue(), ARROW, "?with_inputs=true")

    assert "as CSV" in check_problem(answer, 422, "input-refused")["detail"]
    assert predict(served, "housing", body.getvalue(), ARROW).status_code == 200


def test_json_is_preferred_unless_csv_is_asked_for(served):
    body = b"x0,x1\n1,2\n"
    for accept in ("*/*", "application/*", f"{CSV};q=0.5, {JSON}", f"{JSON}, {CSV}"):
        assert predict(served, "plane", body, accept=accept).headers["Content-Type"] == JSON
    for accept in ("text/*", f"{CSV}, {JSON};q=0.9", "TEXT/CSV", f"{CSV}, */*;q=0.1"):
        table(predict(served, "plane", body, accept=accept))


def test_rows_are_refused_in_other_replies_than_csv(served):
    body = b"x0,x1\n1,2\n"
    for accept in (JSON, "*/*", ARROW):
        answer = predict(served, "plane", body, query="?with_inputs=true", accept=accept)
        assert "Accept: text/csv" in check_problem(answer, 422, "inputs-require-csv")["detail"]
    plain = predict(served, "plane", body, query="?with_inputs=false", accept=JSON)
    assert plain.status_code == 200
    answer = predict(served, "plane", body, query="?with_inputs=maybe")
    check_problem(answer, 400, "parameter-malformed")


def test_refused_rows_are_a_problem_also_where_csv_is_asked_for(served):
    answer = predict(served, "plane", b"x0,x1\n1,a\n", query="?with_inputs=true")
    check_problem(answer, 422, "input-refused")


def test_the_document_describes_csv_with_an_example(admin):
    paths = admin.get("/openapi.json").json["paths"]
    for path in ("/models/{name}/predict", "/models/{name}/{version}/predict"):
        operation = paths[path]["post"]
        content = operation["responses"]["200"]["content"]
        assert set(content) == {JSON, ARROW, CSV}
        assert content[CSV]["example"].startswith("prediction,probability_")
        named = {parameter["name"] for parameter in operation["parameters"]}
        assert named == {"probabilities", "scores", "with_inputs"}
