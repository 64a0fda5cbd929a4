"""``GET /models/<name>/traffic``."""

from datetime import timedelta

import numpy as np
import pytest

from registry.operations.record_traffic import record_traffic
from registry.storage.tables import utc_now
from registry.watching.counts import BINS, COLUMNS
from registry.watching.named_rows import Row
from registry.watching.traffic import MINUTE, Increase, floor, increases
from tests.integration.api.conftest import check_problem, new_name


def record(service, model, version, requests, *, ago=timedelta(minutes=5), alias="production"):
    """Record predictions as the service does, so that no test has to wait for a minute to end."""
    times = np.zeros(BINS, np.uint64)
    times[5] = requests
    increase = Increase(Row(model, version, alias), 0, 0, times)
    record_traffic(service.services.database, floor(utc_now() - ago, MINUTE), [increase])


@pytest.fixture(scope="module")
def busy(service):
    """A model with predictions of two versions, one of them asked by its number."""
    name = new_name()
    service.admin.post("/models", json={"name": name})
    record(service, name, 1, 30, ago=timedelta(minutes=20))
    record(service, name, 2, 10)
    record(service, name, 2, 10, alias="")
    return name


def test_traffic_is_shown_by_version(service, busy):
    found = service.caller("predict").get(f"/models/{busy}/traffic").json

    assert (found["model"], found["window"], found["step_seconds"]) == (busy, "1h", 60)
    assert [(one["version"], one["requests"]) for one in found["versions"]] == [(1, 30), (2, 20)]
    assert found["versions"][1]["by_number_share"] == 0.5


def test_the_window_its_end_and_the_version_can_be_chosen(service, busy):
    until = (utc_now() - timedelta(minutes=15)).isoformat()
    query = {"window": "10m", "until": until, "version": "1"}

    found = service.admin.get(f"/models/{busy}/traffic", query_string=query).json

    assert [(one["version"], one["requests"]) for one in found["versions"]] == [(1, 30)]


@pytest.mark.parametrize(
    "query",
    [
        {"window": "2h"},
        {"version": "0"},
        {"version": "production"},
        {"until": "yesterday"},
        {"until": "2026-11-22T12:00:00"},
        {"until": "9999-12-31T23:59:59-12:00"},
    ],
)
def test_a_query_that_cannot_be_read_is_refused(service, busy, query):
    answer = service.admin.get(f"/models/{busy}/traffic", query_string=query)

    check_problem(answer, 400, "parameter-malformed")


def test_models_that_do_not_exist_or_are_not_covered_have_no_traffic(service, busy):
    check_problem(service.admin.get("/models/nobody-knows/traffic"), 404, "model-not-found")
    stranger = service.caller("predict", models=["other-*"])
    assert stranger.get(f"/models/{busy}/traffic").status_code in {403, 404}


def test_predictions_are_counted_for_the_version_that_answered(make_app, artifacts):
    service, name = make_app(), new_name()
    service.admin.upload(name, artifacts["line-1"])
    service.admin.promote(name, 1)
    for path in (f"/models/{name}/predict", f"/models/{name}/1/predict"):
        assert service.admin.post(path, json={"input": [1]}).status_code == 200
    assert service.admin.post(f"/models/{name}/predict", json={"other": [1]}).status_code == 422
    telemetry = service.app.extensions["hotswap-telemetry"]
    telemetry.flush()

    none = np.zeros((0, BINS + len(COLUMNS)), np.uint64)
    found = {one.row: one for one in increases(telemetry.predictions.totals(), none)}

    live, by_number = found[Row(name, 1, "production")], found[Row(name, 1, "")]
    assert (live.times.sum(), live.refused, live.failed) == (1, 1, 0)
    assert (by_number.times.sum(), by_number.refused) == (1, 0)


@pytest.mark.parametrize(
    "until", ["0001-01-01T00:00:00Z", "0157-10-27T12:48:50+00:00", "9999-12-31T23:59:59.999Z"]
)
@pytest.mark.parametrize("window", ["10m", "30d"])
def test_there_is_no_traffic_long_before_and_after(service, busy, until, window):
    query = {"window": window, "until": until}
    answer = service.admin.get(f"/models/{busy}/traffic", query_string=query)
    assert (answer.status_code, answer.json["versions"]) == (200, [])
