"""The scores of a detector of outliers beside its labels, in every format."""

import io

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.ensemble import IsolationForest

from registry.codecs.requests import ARROW
from tests.integration.api.conftest import check_problem

FRAME = pd.DataFrame(np.random.default_rng(4).normal(size=(80, 2)), columns=["length", "width"])
FRAME.loc[7] = [9.0, -9.0]
ROWS = FRAME[:9]
MODEL = IsolationForest(n_estimators=5, random_state=0).fit(FRAME)
LABELS, SCORES = MODEL.predict(ROWS).tolist(), MODEL.decision_function(ROWS).tolist()


@pytest.fixture(scope="module")
def detector(service):
    """The path of the predictions of an uploaded detector."""
    content = io.BytesIO()
    joblib.dump(MODEL, content)
    made = service.admin.upload("detector-of-outliers", content.getvalue(), filename="model.joblib")
    assert made.status_code == 201, made.text
    return "/models/detector-of-outliers/1/predict"


def as_arrow(frame):
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", ROWS.to_json(orient="split", double_precision=15)),
        ("text/csv", ROWS.to_csv(index=False)),
        (ARROW, as_arrow(ROWS)),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", ARROW])
def test_scores_equal_scikit_learn_s(admin, detector, content_type, body, accept):
    if content_type == "application/json":
        body = f'{{"dataframe_split": {body}}}'

    answer = admin.post(
        f"{detector}?scores=true", data=body, content_type=content_type, headers={"Accept": accept}
    )

    assert answer.status_code == 200, answer.text
    if accept == ARROW:
        found = pa.ipc.open_stream(answer.data).read_all().to_pydict()
        assert found == {"prediction": LABELS, "score": SCORES}
    else:
        assert (answer.json["predictions"], answer.json["scores"]) == (LABELS, SCORES)


def test_a_single_row_has_one_score(admin, detector):
    row = ROWS.iloc[7].to_dict()
    for query, expected in (("?scores=1", {"score": SCORES[7]}), ("", {}), ("?scores=false", {})):
        answer = admin.post(f"{detector}{query}", json=row).json
        del answer["model"], answer["version"]
        assert answer == {"prediction": -1, **expected}


def test_a_detector_has_no_probabilities_and_another_model_no_scores(
    admin, detector, artifacts, fresh_name
):
    refused = admin.post(f"{detector}?probabilities=true", json=ROWS.iloc[0].to_dict())
    check_problem(refused, 422, "no-probabilities")
    admin.upload(fresh_name, artifacts["line-1"])
    answer = admin.post(f"/models/{fresh_name}/1/predict?scores=true", json={"input": [1]})
    assert "only detectors of outliers" in check_problem(answer, 422, "no-scores")["detail"]
