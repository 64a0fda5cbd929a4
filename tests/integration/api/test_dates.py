"""A model on dates over HTTP: uploaded, described, and asked in every form of body."""

import io
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from hotswap.batches import batch_of_tabular
from registry.preprocessing import DateEncoder
from tests.integration.api.conftest import check_problem, near, places

NAME = "dates-sales"
SOLD = pd.date_range("2024-01-01", periods=500, freq="31h")
FRAME = pd.DataFrame({"sold": SOLD, "paid": SOLD + pd.Timedelta(days=3)})
FRAME.loc[::9, "paid"] = pd.NaT
ROWS = FRAME.iloc[:20].rename_axis(index=None)


@pytest.fixture(scope="module")
def model():
    step = DateEncoder(cyclic=True, fill="median")
    return make_pipeline(step, LinearRegression()).fit(FRAME, np.arange(len(FRAME)) % 37)


@pytest.fixture(scope="module")
def served(service, model):
    example = {"sold": "2024-02-29T12:00:00", "paid": None}
    answer = service.admin.upload(NAME, skops.io.dumps(model), {"input_example": example})
    assert answer.status_code == 201, answer.text
    assert service.admin.promote(NAME, 1).status_code == 200
    return service.admin


def predict(caller, body, content_type):
    return caller.post(f"/models/{NAME}/predict", data=body, content_type=content_type)


def as_csv():
    return ROWS.to_csv(index=False).encode(), "text/csv"


def as_arrow():
    batch = batch_of_tabular(ROWS)
    return batch.encode(0, len(ROWS)), batch.content_type


def as_json():
    batch = batch_of_tabular(ROWS, arrow=False)
    return batch.encode(0, len(ROWS)), batch.content_type


def as_parquet():
    body = io.BytesIO()
    ROWS.to_parquet(body, index=False)
    return body.getvalue(), "application/vnd.apache.parquet"


@pytest.mark.parametrize("form", [as_csv, as_arrow, as_json, as_parquet])
def test_every_body_gives_the_answers_of_the_dataframe(served, model, form):
    answer = predict(served, *form())

    assert answer.status_code == 200, answer.text
    assert answer.json["predictions"] == near(model.predict(ROWS).tolist())


def test_a_form_and_a_record_give_the_same_answer(served):
    row = {"sold": "2024-02-29T12:00+02:00", "paid": ""}
    sent = served.post(
        f"/models/{NAME}/predict",
        data=urlencode(row),
        content_type="application/x-www-form-urlencoded",
    )
    asked = served.post(f"/models/{NAME}/predict", json=row | {"paid": None})

    assert sent.json["prediction"] == asked.json["prediction"]


def test_what_is_not_a_date_is_one_clear_problem(served):
    answer = served.post(
        f"/models/{NAME}/predict", json={"instances": [{"sold": "31/12/2025", "paid": None}]}
    )

    check_problem(answer, 422, "input-refused")
    assert places(answer) == ["instances[0].sold"]
    assert "expected a date, such as 2026-01-31 or" in answer.json["detail"]


def test_the_version_the_card_and_the_document_know_dates(served):
    version = served.get(f"/models/{NAME}/1").json
    assert version["signature"]["inputs"] == [
        {"name": "sold", "type": "date", "nullable": True},
        {"name": "paid", "type": "date", "nullable": True},
    ]
    assert version["engine"]["name"] == "linear"
    card = served.get(f"/models/{NAME}/1/card", headers={"Accept": "text/markdown"}).text
    assert "2024-02-29T12:00:00" in card
    schemas = served.get("/openapi.json").json["components"]["schemas"]
    assert "date" in schemas["Column"]["properties"]["type"]["enum"]
    assert "date" not in schemas["Output"]["properties"]["type"]["enum"]
