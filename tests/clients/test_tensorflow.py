"""Calls of TensorFlow Serving's REST API, by curl as its documentation writes them."""

import json
import subprocess
from base64 import b64encode

import pytest
from conftest import IRIS, House

ROWS = {"instances": IRIS}


def curl(house: House, path: str, *options: str, token: str | None = None):
    """The status and the JSON of what curl gets."""
    header = f"Authorization: Bearer {token or house.token}"
    command = ["curl", "-sS", "-w", "\n%{http_code} %{content_type}", "-H", header, *options]
    done = subprocess.run(
        [*command, f"{house.url}/v1/models/{path}"], capture_output=True, check=True, timeout=60
    )
    body, _, end = done.stdout.decode().rpartition("\n")
    status, content_type = end.split(" ", 1)
    assert content_type == "application/json"
    return int(status), json.loads(body)


def predict(house: House, path: str, body, *options: str):
    return curl(house, f"{path}:predict", "-d", json.dumps(body), *options)


def labels(house: House):
    return house.predict("iris", ROWS)["predictions"]


@pytest.mark.parametrize("at", ["iris", "iris/versions/1", "iris/labels/production"])
def test_rows_are_predicted_without_a_content_type_of_json(house, at):
    assert predict(house, at, ROWS) == (200, {"predictions": labels(house)})
    assert predict(house, at, ROWS, "-H", "Content-Type:") == (200, {"predictions": labels(house)})


def test_columns_are_predicted(house):
    _, described = curl(house, "iris/metadata")
    served = described["metadata"]["signature_def"]["signature_def"]["serving_default"]
    columns = {name: [[row[at]] for row in IRIS] for at, name in enumerate(served["inputs"])}
    assert predict(house, "iris", {"inputs": columns}) == (200, {"outputs": labels(house)})


def test_texts_may_be_in_base64(house):
    _, described = curl(house, "house-prices/metadata")
    inputs = described["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]
    texts = {name for name, one in inputs.items() if one["dtype"] == "DT_STRING"}
    assert texts
    plain = {name: "INLAND" if name in texts else 3.0 for name in inputs}
    encoded = {"b64": b64encode(b"INLAND").decode()}
    record = {**plain, **dict.fromkeys(texts, encoded)}
    expected = house.predict("house-prices", {"instances": [plain]})["predictions"]
    body = {"signature_name": "serving_default", "instances": [record]}
    assert predict(house, "house-prices", body) == (200, {"predictions": expected})


def test_the_status_is_that_of_each_version(house):
    status, found = curl(house, "iris")
    assert status == 200
    assert found["model_version_status"][0] == {
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    assert curl(house, "iris/versions/1") == curl(house, "iris/labels/production") == (200, found)


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        ("nobody:predict", ["-d", json.dumps(ROWS)], 404),
        ("iris/versions/99:predict", ["-d", json.dumps(ROWS)], 404),
        ("iris/labels/nobody:predict", ["-d", json.dumps(ROWS)], 404),
        ("iris:predict", ["-d", json.dumps({"instances": [[1.0]]})], 400),
        ("iris:predict", ["-d", "instances"], 400),
        ("iris:classify", ["-d", json.dumps({"examples": []})], 400),
        ("iris:predict", [], 405),
        ("iris/nothing", [], 404),
        ("nobody", [], 404),
    ],
)
def test_errors_are_texts(house, path, options, status):
    answered, body = curl(house, path, *options)
    assert (answered, type(body["error"])) == (status, str)


def test_an_unknown_token_is_refused(house):
    status, body = curl(house, "iris", token="hsw_nobody")
    assert status == 401
    assert "token" in body["error"]
