"""Unusual values in tables with texts: both prediction routes return the same bytes."""

import json

import pytest

from tests.integration.api.conftest import new_name
from tests.integration.api.test_prediction_routes import both

DIGITS = "1" * 5000

ODD = [
    pytest.param("{text}", b'"\\ud800"', 400, id="a lone surrogate is no text"),
    pytest.param("{text}", b'"\\udc00\\ud800"', 400, id="surrogates in the wrong order"),
    pytest.param("{text}", b'"\xed\xa0\x80"', 400, id="a surrogate as UTF-8 is no UTF-8"),
    pytest.param("{text}", json.dumps("\0\x1f\u2028" * 50).encode(), 200, id="control characters"),
    pytest.param("{text}", json.dumps("x" * 100_000).encode(), 200, id="a long text"),
    pytest.param("{text}", DIGITS.encode(), 422, id="5,000 digits are no text"),
    pytest.param("{number}", DIGITS.encode(), 422, id="5,000 digits are no finite number"),
    pytest.param("{number}", b"1" + b"0" * 300, 200, id="300 zeros are"),
    pytest.param("{number}", b"1e999", 422, id="an exponent past all measure"),
    pytest.param("{number}", b"0." + b"0" * 5000 + b"1", 200, id="5,000 digits behind the point"),
    pytest.param("{number}", b'"\\ud800"', 400, id="a lone surrogate for a number"),
    pytest.param("{number}", b"[" * 64 + b"]" * 64, 422, id="64 deep in a cell"),
    pytest.param("{surplus}", b"[" * 64 + b"]" * 64, 200, id="64 deep in a column nobody asks"),
    pytest.param("{surplus}", DIGITS.encode(), 200, id="5,000 digits in a column nobody asks"),
    pytest.param("{surplus}", b'"\\ud800"', 400, id="a lone surrogate in a column nobody asks"),
]


@pytest.fixture(scope="module")
def housing(module_app, artifacts):
    service, name = module_app(max_predict_mb=1), new_name()
    service.admin.upload(name, artifacts["housing"])
    service.admin.promote(name, 1)
    version = service.admin.get(f"/models/{name}/1").json
    return service, name, version


@pytest.mark.parametrize("shape", ["record", "instances", "inputs"])
@pytest.mark.parametrize(("column", "value", "status"), ODD)
def test_unusual_values_give_the_same_result_in_every_form(housing, column, value, status, shape):
    service, name, version = housing
    record = {
        column["name"]: version["input_example"][column["name"]]
        if version["input_example"]
        else ("a" if column["type"] == "string" else 1.0)
        for column in version["signature"]["inputs"]
    }
    types = {column["type"]: column["name"] for column in version["signature"]["inputs"]}
    target = {"{text}": types.get("string"), "{number}": types.get("number"), "{surplus}": "more"}
    cells = {key: json.dumps(cell).encode() for key, cell in record.items()}
    cells[target[column]] = value
    body = _body(cells, shape)

    narrow, flasks = both(service, {"model": name}, body)

    assert narrow == flasks
    assert narrow[1].startswith(str(status)), narrow[0]


def _body(cells, shape):
    if shape == "inputs":
        pairs = (b'"%s": [%s]' % (key.encode(), cell) for key, cell in cells.items())
        return b'{"inputs": {%s}}' % b", ".join(pairs)
    record = b"{%s}" % b", ".join(b'"%s": %s' % (key.encode(), cell) for key, cell in cells.items())
    return record if shape == "record" else b'{"instances": [%s]}' % record
