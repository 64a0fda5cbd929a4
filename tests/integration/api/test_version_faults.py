"""Which predictions guards count as faults, through both routes to the endpoint."""

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LinearRegression

from api.fast_path import PredictionFastPath
from registry.watching.arm_counts import read_arms
from tests.integration.api.conftest import check_problem, new_name

ROW, TOO_LARGE = {"x0": 1.0}, {"x0": 1e200}


def steep_model():
    """A linear regression whose predictions for large numbers are infinite."""
    model = LinearRegression().fit(np.array([[0.0], [1.0]]), np.array([0.0, 1.0]))
    model.coef_ = np.array([1e200])
    return skops.io.dumps(model)


@pytest.fixture(params=["fast path", "flask"])
def production(request, service, monkeypatch):
    """The path of a model in production, and what was counted of it."""
    fast_path = service.app.wsgi_app
    assert isinstance(fast_path, PredictionFastPath)
    if request.param == "flask":
        monkeypatch.setattr(service.app, "wsgi_app", fast_path.inner)
    name = new_name()
    service.admin.upload(name, steep_model())
    service.admin.promote(name, 1)

    def counted():
        telemetry = service.app.extensions["hotswap-telemetry"]
        telemetry.flush()
        return read_arms(telemetry.folder.path).of(name, "production")[1]

    return f"/models/{name}/predict", counted


def test_what_the_version_cannot_predict_is_a_fault_and_bad_input_is_none(service, production):
    path, counted = production
    assert service.admin.post(path, json=ROW).status_code == 200
    check_problem(service.admin.post(path, json=TOO_LARGE), 422, "prediction-refused")
    check_problem(service.admin.post(path, json={"other": 1.0}), 422, "input-refused")

    found = counted()

    assert (found.answered, found.refused, found.failed, found.faults) == (1, 2, 0, 1)


def test_a_caller_with_a_key_has_one_fault_a_second(service, production):
    path, counted = production
    for _ in range(5):
        answer = service.admin.post(path, json=TOO_LARGE, headers={"X-Request-Key": "anna"})
        check_problem(answer, 422, "prediction-refused")
    for _ in range(5):
        service.admin.post(path, json=TOO_LARGE)

    found = counted()

    assert found.refused == 10
    assert found.faults in {6, 7}  # two of the key's where a second began between them
