"""Statistics of the Open Inference Protocol: rows and requests of every prediction route."""

import time

import pytest

from benchmarks.swap import constant_model
from tests.integration.api.conftest import new_name

ROW = {"x0": 1.0, "x1": 2.0}
NOTHING = {"count": 0, "ns": 0}


@pytest.fixture(scope="module")
def service(module_app):
    return module_app()


@pytest.fixture
def model(service):
    """A model with three versions, of which the second is in production."""
    name = new_name()
    for value in (1.0, 2.0, 3.0):
        service.admin.upload(name, constant_model(value))
    service.admin.promote(name, 2)
    return name


def stats(caller, path):
    answer = caller.get(f"/v2/models/{path}")
    assert answer.status_code == 200
    return answer.json["model_stats"]


def test_a_version_that_was_never_requested_has_zeros(service, model):
    assert stats(service.admin, f"{model}/versions/1/stats") == [
        {
            "name": model,
            "version": "1",
            "last_inference": 0,
            "inference_count": 0,
            "execution_count": 0,
            "inference_stats": {
                "success": NOTHING,
                "fail": NOTHING,
                "queue": NOTHING,
                "compute_input": NOTHING,
                "compute_infer": NOTHING,
                "compute_output": NOTHING,
            },
            "batch_stats": [],
        }
    ]


def test_predictions_of_every_route_and_reference_are_counted(service, model):
    began = time.time_ns() // 10**6
    columns = [
        {"name": name, "shape": [5], "datatype": "FP64", "data": [0.0] * 5} for name in ("x0", "x1")
    ]
    for path, body in (
        (f"/models/{model}/predict", ROW),
        (f"/models/{model}/2/predict", {"instances": [ROW] * 7}),
        (f"/v2/models/{model}/infer", {"inputs": columns}),
        (f"/models/{model}/production/invocations", {"instances": [ROW] * 3}),
        (f"/v1/models/{model}:predict", {"instances": [ROW] * 4}),
    ):
        assert service.admin.post(path, json=body).status_code == 200
    assert service.admin.post(f"/models/{model}/predict", json={}).status_code == 422
    assert service.admin.post(f"/v2/models/{model}/infer", json={}).status_code == 400

    (entry,) = stats(service.admin, f"{model}/versions/production/stats")
    assert (entry["inference_count"], entry["execution_count"]) == (20, 5)
    counted = entry["inference_stats"]
    assert counted["success"]["count"] == 5
    assert 0 < counted["success"]["ns"] < 30e9
    assert counted["fail"] == {"count": 2, "ns": 0}
    assert began <= entry["last_inference"] <= time.time_ns() // 10**6


def test_a_list_has_what_is_in_production_and_what_was_requested(service, model):
    def listed(path):
        return [(one["name"], one["version"]) for one in stats(service.admin, path)]

    assert listed(f"{model}/stats") == [(model, "2")]
    service.admin.post(f"/models/{model}/1/predict", json=ROW)
    assert listed(f"{model}/stats") == [(model, "2"), (model, "1")]
    found = listed("stats")
    assert [key for key in found if key[0] == model] == [(model, "1"), (model, "2")]
    assert found == sorted(found)
    assert stats(service.caller("predict", models=["other"]), "stats") == []
