"""A split alias answers by the version of each key, on every route that predicts."""

from collections import Counter

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.fast_path import PredictionFastPath
from benchmarks.swap import constant_model
from tests.integration.api.conftest import check_problem, new_name

KEYS = [f"customer-{number}" for number in range(40)]
RECORD = {"x0": 1.0, "x1": 2.0}
TENSOR = {
    "inputs": [
        {"name": name, "shape": [1, 1], "datatype": "FP64", "data": [1.0]} for name in ("x0", "x1")
    ]
}
DOORS = [
    ("/models/{name}/predict", RECORD),
    ("/models/{name}/production/predict", RECORD),
    ("/models/{name}/invocations", {"dataframe_records": [RECORD]}),
    ("/models/{name}/production/invocations", {"dataframe_records": [RECORD]}),
    ("/v2/models/{name}/infer", TENSOR),
    ("/v2/models/{name}/versions/production/infer", TENSOR),
    ("/v1/models/{name}:predict", {"instances": [RECORD]}),
    ("/v1/models/{name}/versions/production:predict", {"instances": [RECORD]}),
    ("/v1/models/{name}/labels/production:predict", {"instances": [RECORD]}),
    ("/invocations", {"dataframe_records": [RECORD]}),
]


@pytest.fixture(scope="module")
def service(module_app):
    """An app of this file's own, whose ``/invocations`` answers with one of its models."""
    return module_app(invocations_model="invoked")


@pytest.fixture(scope="module")
def invoked(service):
    """A model with versions that predict their own number; half of the keys are of each."""
    return split_model(service, "invoked")


@pytest.fixture
def model(service):
    """As ``invoked``, for one test."""
    return split_model(service, new_name())


@pytest.fixture(params=["fast path", "flask"])
def route(request, service, monkeypatch):
    """The way that predictions take."""
    fast_path = service.app.wsgi_app
    assert isinstance(fast_path, PredictionFastPath)
    if request.param == "flask":
        monkeypatch.setattr(service.app, "wsgi_app", fast_path.inner)


def split_model(service, name, **given):
    for value in (1.0, 2.0):
        service.admin.upload(name, constant_model(value))
    service.admin.promote(name, 1)
    split(service, name, {1: 50, 2: 50}, **given)
    return name


def split(service, name, weights, **given):
    answer = service.admin.put(
        f"/models/{name}/aliases/production/split", json={"weights": weights, **given}
    )
    assert answer.status_code == 200, answer.json


def predicted(answer):
    """The version that the header names, which the prediction has to be."""
    assert answer.status_code == 200, answer.text
    body = answer.json
    value = body.get("prediction") or body.get("predictions") or body["outputs"][0]["data"]
    number = int(np.ravel(value)[0])
    assert answer.headers["X-Model-Version"] == str(number)
    assert str(body.get("version", body.get("model_version", number))) == str(number)
    return number


def versions(service, path, body, keys=KEYS):
    """The version that answers each key."""
    return [
        predicted(service.admin.post(path, json=body, headers={"X-Request-Key": key}))
        for key in keys
    ]


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize(("path", "body"), DOORS)
def test_every_route_answers_a_key_with_the_same_version(service, invoked, path, body):
    expected = versions(service, "/models/invoked/predict", RECORD)
    assert set(expected) == {1, 2}

    assert versions(service, path.format(name=invoked), body) == expected


@pytest.mark.parametrize("reference", ["1", "2", "latest"])
def test_numbers_and_latest_are_answered_by_one_version(service, invoked, reference):
    answers = set(versions(service, f"/models/{invoked}/{reference}/predict", RECORD))

    assert answers == {1 if reference == "1" else 2}


def test_without_a_key_the_request_id_chooses(service, invoked):
    ids = [
        predicted(
            service.admin.post(
                f"/models/{invoked}/predict", json=RECORD, headers={"X-Request-Id": key}
            )
        )
        for key in KEYS
    ]

    assert ids == versions(service, f"/models/{invoked}/predict", RECORD)


def test_a_split_by_token_answers_a_token_with_one_version(service):
    model = split_model(service, new_name(), by="token")
    answers = []
    for _ in range(12):
        caller = service.caller("predict")
        numbers = {
            predicted(
                caller.post(f"/models/{model}/predict", json=RECORD, headers={"X-Request-Key": key})
            )
            for key in KEYS[:3]
        }
        assert len(numbers) == 1
        answers += numbers

    assert set(answers) == {1, 2}


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("key", ["", "x" * 257])
@pytest.mark.parametrize(("path", "body"), [DOORS[0], DOORS[4], DOORS[6], DOORS[2]])
def test_a_malformed_key_is_answered_with_400(service, invoked, path, body, key):
    answer = service.admin.post(
        path.format(name=invoked), json=body, headers={"X-Request-Key": key}
    )

    assert answer.status_code == 400
    assert "X-Request-Key must be 1 to 256 ASCII characters" in answer.text


def test_a_malformed_key_is_a_problem(service, invoked):
    answer = service.admin.post(
        f"/models/{invoked}/predict", json=RECORD, headers={"X-Request-Key": ""}
    )

    check_problem(answer, 400, "request-key-malformed")


def test_a_key_is_not_looked_at_where_nothing_is_split_by_it(service, model):
    for path in (f"/models/{model}/1/predict", f"/models/{model}/latest/predict"):
        answer = service.admin.post(path, json=RECORD, headers={"X-Request-Key": "x" * 300})
        assert answer.status_code == 200
    split(service, model, {1: 50, 2: 50}, by="random")

    answer = service.admin.post(
        f"/models/{model}/predict", json=RECORD, headers={"X-Request-Key": "x" * 300}
    )

    assert answer.status_code == 200


@pytest.mark.usefixtures("route")
def test_every_change_of_a_split_is_seen_by_the_next_request(service, model):
    path = f"/models/{model}/predict"
    before = versions(service, path, RECORD)
    for weights in ({1: 40, 2: 60}, {1: 0, 2: 100}, {1: 100, 2: 0}, {1: 50, 2: 50}):
        split(service, model, weights)
        answers = Counter(versions(service, path, RECORD))
        assert not any(weights[number] == 0 for number in answers)

    assert versions(service, path, RECORD) == before
    service.admin.delete(f"/models/{model}/aliases/production/split")
    assert set(versions(service, path, RECORD)) == {1}


def test_the_versions_of_a_split_are_counted_under_its_alias(service, model):
    answers = Counter(versions(service, f"/models/{model}/predict", RECORD))
    text = service.admin.get("/metrics").text

    counted = {
        int(sample.labels["version"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "hotswap_predictions_total"
        and sample.labels["model"] == model
        and sample.labels["alias"] == "production"
        and sample.labels["outcome"] == "ok"
    }

    assert {number: value for number, value in counted.items() if value} == answers


def test_descriptions_are_those_of_the_champion(service, model):
    split(service, model, {1: 0, 2: 100})

    answer = service.admin.get(f"/v1/models/{model}/metadata")

    assert answer.json["model_spec"]["version"] == "1"


def test_tensorflow_lists_all_versions_of_a_split_as_available(service, model):
    status = service.admin.get(f"/v1/models/{model}").json["model_version_status"]

    assert [(one["version"], one["state"]) for one in status] == [
        ("2", "AVAILABLE"),
        ("1", "AVAILABLE"),
    ]
