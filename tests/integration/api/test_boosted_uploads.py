"""Models of XGBoost and LightGBM over HTTP: upload, promotion, predictions, card."""

import json

import pytest

from tests.integration.api.conftest import check_problem
from tests.integration.registry.boosters import FRAME, X, of_lightgbm, of_xgboost, xgboost_of_frame


def cells(row):
    return [None if cell != cell else cell for cell in row]  # noqa: PLR0124 - only NaN is not itself


@pytest.mark.parametrize("format_", ["xgboost", "lightgbm"])
def test_a_booster_is_uploaded_promoted_and_answers_as_its_library(format_, admin, fresh_name):
    make, objective = {
        "xgboost": (of_xgboost, "binary:logistic"),
        "lightgbm": (of_lightgbm, "binary"),
    }[format_]
    case = make("two", objective)

    answer = admin.upload(fresh_name, case.content, {"format": format_}, filename="model.txt")

    assert answer.status_code == 201, answer.text
    version = answer.json
    assert (version["kind"], version["task"]) == ("boosting", "classification")
    assert version["engine"]["name"] == "trees"
    assert version["engine"].keys() == {"name", "memory_bytes"}
    assert version["params"]["objective"].startswith("binary")
    admin.promote(fresh_name, 1)
    rows = [cells(row) for row in case.rows[50:60].tolist()]
    found = admin.post(f"/models/{fresh_name}/predict?probabilities=true", json={"instances": rows})
    assert found.status_code == 200, found.text
    shares = [each["1"] for each in found.json["probabilities"]]
    assert shares == case.expected[50:60, 0].astype(float).tolist()
    one = admin.post(f"/models/{fresh_name}/predict", json={"input": rows[0]})
    assert one.json["prediction"] == found.json["predictions"][0]
    card = admin.get(f"/models/{fresh_name}/1/card", headers={"Accept": "text/markdown"})
    assert "a sum of boosted decision trees" in card.text


def test_a_model_with_categories_is_warmed_with_categories_that_it_knows(admin, fresh_name):
    content, expected = xgboost_of_frame()

    answer = admin.upload(fresh_name, content, {"format": "xgboost"}, filename="model.json")

    assert answer.status_code == 201, answer.text
    assert answer.json["input_example"]["word"] in set(FRAME["word"].cat.categories)
    admin.promote(fresh_name, 1)
    row = json.loads(FRAME[60:61].to_json(orient="records", double_precision=15))[0]
    found = admin.post(f"/models/{fresh_name}/predict", json={"instances": [row]})
    assert found.status_code == 200, found.text
    assert found.json["predictions"] == [float(expected[60])]
    row["word"] = "a word of tomorrow"
    refused = admin.post(f"/models/{fresh_name}/predict", json={"instances": [row]})
    assert (
        "a category that training never saw"
        in check_problem(refused, 422, "prediction-refused")["detail"]
    )


@pytest.mark.parametrize("format_", ["xgboost", "lightgbm"])
def test_what_is_no_such_file_is_refused(format_, admin, fresh_name):
    for content in (b"{}", b"tree\nversion=v4\n", b"\x80\x04.", b"{L" + b"\xff" * 40, X.tobytes()):
        answer = admin.upload(fresh_name, content, {"format": format_}, filename="model.txt")
        check_problem(answer, 422, "artifact-refused")
