"""Predictions: every form of body, equal to scikit-learn's own answers to the last bit."""

import csv
import io
import json
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest

from tests.integration.api.conftest import near

HOUSING = ["median_income", "bedrooms", "ocean_proximity", "county"]


@pytest.fixture(scope="module")
def served(service, artifacts):
    """Each of the trained models, uploaded and in production under its own name."""
    for name in ("housing", "iris-names", "iris-arrays", "plane"):
        service.admin.upload(f"served-{name}", artifacts[name])
        assert service.admin.promote(f"served-{name}", 1).status_code == 200
    return service


@pytest.fixture
def predict(served):
    """POSTs a body to a served model and returns the answer's JSON."""

    def post(model, body=None, *, query="", content_type="application/json", reference=None):
        data = body if isinstance(body, bytes) else json.dumps(body)
        place = "" if reference is None else f"/{reference}"
        answer = served.admin.post(
            f"/models/served-{model}{place}/predict{query}", data=data, content_type=content_type
        )
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Model-Version"] == "1"
        return answer.json

    return post


def records(frame):
    return [
        {key: None if pd.isna(value) else value for key, value in row.items()}
        for row in frame.to_dict(orient="records")
    ]


def as_lists(frame):
    return [list(row.values()) for row in records(frame)]


NAMED_FORMS = {
    "instances of records": lambda rows: {"instances": records(rows)},
    "instances of lists": lambda rows: {"instances": as_lists(rows)},
    "X": lambda rows: {"X": as_lists(rows)},
    "inputs of columns": lambda rows: {
        "inputs": {name: [row[name] for row in records(rows)] for name in rows.columns}
    },
    "inputs of lists": lambda rows: {"inputs": as_lists(rows)},
    "dataframe_split": lambda rows: {
        "dataframe_split": {"columns": list(rows.columns), "data": as_lists(rows)}
    },
    "dataframe_split with index": lambda rows: {
        "dataframe_split": {
            "index": list(range(len(rows))),
            "columns": list(rows.columns)[::-1],
            "data": [row[::-1] for row in as_lists(rows)],
        }
    },
    "dataframe_records": lambda rows: {"dataframe_records": records(rows)},
}


@pytest.mark.parametrize("form", NAMED_FORMS)
@pytest.mark.parametrize("model", ["housing", "iris-names"])
def test_every_form_of_rows_gives_the_predictions_of_a_model_with_column_names(
    predict, trained, model, form
):
    one = trained[model]
    answer = predict(model, NAMED_FORMS[form](one.rows))
    assert answer == {
        "model": f"served-{model}",
        "version": 1,
        "predictions": near(one.model.predict(one.rows).tolist()),
    }


@pytest.mark.parametrize("form", NAMED_FORMS)
@pytest.mark.parametrize("model", ["plane", "iris-arrays"])
def test_every_form_of_rows_gives_the_predictions_of_a_model_without_column_names(
    predict, trained, model, form
):
    one = trained[model]
    frame = pd.DataFrame(one.rows, columns=[f"x{i}" for i in range(one.rows.shape[1])])
    answer = predict(model, NAMED_FORMS[form](frame))
    assert answer["predictions"] == near(one.model.predict(one.rows).tolist())


@pytest.mark.parametrize("reference", [None, "1", "latest", "production"])
def test_one_record_is_answered_with_one_prediction(predict, trained, reference):
    one = trained["housing"]
    for index in (0, 2, 5):
        answer = predict("housing", records(one.rows)[index], reference=reference)
        expected = one.model.predict(one.rows.iloc[[index]])[0]
        assert answer == {"model": "served-housing", "version": 1, "prediction": expected}


def test_one_row_by_position_is_answered_with_one_prediction(predict, trained):
    one = trained["plane"]
    answer = predict("plane", {"input": one.rows[3].tolist()})
    assert answer == {
        "model": "served-plane",
        "version": 1,
        "prediction": one.model.predict(one.rows[[3]])[0],
    }


def test_a_list_of_one_row_is_answered_with_a_list(predict, trained):
    one = trained["plane"]
    for body in ({"instances": [one.rows[3].tolist()]}, {"X": [one.rows[3].tolist()]}):
        answer = predict("plane", body)
        assert answer["predictions"] == near(one.model.predict(one.rows[[3]]).tolist())
        assert "prediction" not in answer


def test_columns_may_be_in_any_order_and_extra_ones_are_ignored(predict, trained):
    one = trained["housing"]
    shuffled = one.rows[HOUSING[::-1]].assign(colour="red", zip_code=3)
    expected = one.model.predict(one.rows).tolist()
    for form in ("instances of records", "inputs of columns", "dataframe_split"):
        assert predict("housing", NAMED_FORMS[form](shuffled))["predictions"] == near(expected)
    single = {**records(shuffled)[0], "colour": [1, 2], "shape": {"a": None}}
    assert predict("housing", single)["prediction"] == one.model.predict(one.rows[:1])[0]


def test_integers_are_accepted_as_numbers(predict, trained):
    one = trained["plane"]
    assert predict("plane", {"input": [1, -3]})["prediction"] == one.model.predict([[1, -3]])[0]


def test_a_null_is_imputed_by_the_model(predict, trained):
    one = trained["housing"]
    row = records(one.rows)[0]
    asked = pd.DataFrame([{**row, "bedrooms": np.nan, "county": np.nan}])
    answer = predict("housing", {**row, "bedrooms": None, "county": None})
    assert answer["prediction"] == one.model.predict(asked)[0]
    assert answer["prediction"] != one.model.predict(one.rows)[0]


def test_an_unknown_category_is_accepted(predict, trained):
    one = trained["housing"]
    row = {**records(one.rows)[0], "ocean_proximity": "MOON é\u0000\U0001f680", "county": ""}
    answer = predict("housing", row)
    assert answer["prediction"] == one.model.predict(pd.DataFrame([row]))[0]


@pytest.mark.parametrize("flag", ["true", "1"])
def test_probabilities_map_each_class_to_a_number_for_each_row(predict, trained, flag):
    for model, labels in [
        ("iris-names", ["setosa", "versicolor", "virginica"]),
        ("iris-arrays", ["0", "1", "2"]),
    ]:
        one = trained[model]
        rows = np.asarray(one.rows)
        answer = predict(model, {"instances": rows.tolist()}, query=f"?probabilities={flag}")
        expected = one.model.predict_proba(one.rows)
        assert answer["probabilities"] == near(
            [dict(zip(labels, row, strict=True)) for row in expected.tolist()]
        )
        assert answer["predictions"] == near(one.model.predict(one.rows).tolist())
        single = predict(model, {"input": rows[0].tolist()}, query=f"?probabilities={flag}")
        (alone,) = one.model.predict_proba(one.rows[:1]).tolist()
        assert [single["probabilities"]] == near([dict(zip(labels, alone, strict=True))])


@pytest.mark.parametrize("query", ["", "?probabilities=false", "?probabilities=0", "?other=1"])
def test_probabilities_are_returned_only_on_request(predict, trained, query):
    rows = trained["iris-arrays"].rows[:2].tolist()
    assert "probabilities" not in predict("iris-arrays", {"X": rows}, query=query)


def csv_of(frame, **options):
    out = io.StringIO()
    frame.to_csv(out, index=False, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        csv_of,
        lambda frame: "\ufeff" + csv_of(frame),
        lambda frame: csv_of(frame, lineterminator="\r\n"),
        lambda frame: csv_of(frame, quoting=csv.QUOTE_ALL),
        lambda frame: csv_of(frame).rstrip("\n"),
        lambda frame: "\n" + csv_of(frame) + "\n\n",
        lambda frame: csv_of(frame[HOUSING[::-1]].assign(extra='a,b\n"c"')),
    ],
    ids=["plain", "bom", "crlf", "quoted", "no end of line", "empty lines", "order and extras"],
)
def test_csv_gives_the_predictions_of_the_model(predict, trained, text):
    one = trained["housing"]
    answer = predict("housing", text(one.rows).encode(), content_type="text/csv; charset=utf-8")
    assert answer["predictions"] == near(one.model.predict(one.rows).tolist())


def test_texts_in_csv_may_contain_commas_quotes_and_line_ends(predict, trained):
    one = trained["housing"]
    rows = one.rows.iloc[:2].copy()
    rows["ocean_proximity"] = ['a,"b"\nc', "NEAR BAY"]
    answer = predict("housing", csv_of(rows).encode(), content_type="text/csv")
    assert answer["predictions"] == near(one.model.predict(rows).tolist())


def test_one_csv_row_is_answered_with_a_list(predict, trained):
    one = trained["housing"]
    body = csv_of(one.rows.iloc[:1]).encode()
    answer = predict("housing", body, content_type="text/csv")
    assert answer["predictions"] == near(one.model.predict(one.rows.iloc[:1]).tolist())


def test_an_html_form_is_one_record(predict, trained):
    one = trained["housing"]
    row = {**records(one.rows)[0], "ocean_proximity": "NEAR BAY", "submit": "Go"}
    expected = one.model.predict(pd.DataFrame([row]))[0]
    form = "application/x-www-form-urlencoded"
    assert predict("housing", urlencode(row).encode(), content_type=form) == {
        "model": "served-housing",
        "version": 1,
        "prediction": expected,
    }
    empty = {**row, "bedrooms": "", "county": ""}
    asked = pd.DataFrame([{**row, "bedrooms": np.nan, "county": np.nan}])
    answer = predict("housing", urlencode(empty).encode(), content_type=form)
    assert answer["prediction"] == one.model.predict(asked)[0]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json ; charset=UTF8",
        "application/json; profile=x",
    ],
)
def test_content_types_are_parsed_leniently(predict, content_type):
    assert "prediction" in predict("plane", {"input": [1, 2]}, content_type=content_type)


def test_a_charset_may_be_followed_by_other_parameters_of_the_content_type(predict):
    content_type = "application/json; charset=utf-8; profile=x"
    assert "prediction" in predict("plane", {"input": [1, 2]}, content_type=content_type)


@pytest.mark.parametrize(
    "accept", [None, "*/*", "application/json", "application/*", "text/html, */*;q=0.1"]
)
def test_accept_headers_that_allow_json_are_accepted(served, accept):
    headers = {} if accept is None else {"Accept": accept}
    answer = served.admin.post(
        "/models/served-plane/predict", json={"input": [1, 2]}, headers=headers
    )
    assert answer.headers["Content-Type"] == "application/json"


@pytest.fixture(scope="module")
def typed(service, artifacts):
    """The plane again, whose columns are said to be an integer and a boolean that may be null."""
    signature = {
        "inputs": [
            {"name": "rooms", "type": "integer"},
            {"name": "garden", "type": "boolean", "nullable": False},
        ],
        "output": {"name": "price", "type": "number"},
    }
    answer = service.admin.upload("typed", artifacts["plane"], {"signature": signature})
    assert answer.status_code == 201, answer.text
    return service


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"rooms": 3, "garden": true}', "application/json"),
        (b'{"rooms": 3.0, "garden": true}', "application/json"),
        (b"rooms=3&garden=true", "application/x-www-form-urlencoded"),
        (b"rooms=3.0&garden=1", "application/x-www-form-urlencoded"),
    ],
)
def test_integers_and_booleans_are_read_as_each_format_writes_them(
    typed, trained, body, content_type
):
    answer = typed.admin.post("/models/typed/1/predict", data=body, content_type=content_type)
    assert answer.status_code == 200, answer.text
    assert answer.json["prediction"] == trained["plane"].model.predict([[3.0, 1.0]])[0]
