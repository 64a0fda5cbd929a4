"""Predictions are counted by model, version, alias and outcome, on both routes to the endpoint."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.fast_path import PredictionFastPath
from benchmarks.swap import constant_model
from registry.watching.named_rows import MOST_SERIES
from tests.integration.api.conftest import check_problem, new_name

RECORD = {"x0": 1.0, "x1": 2.0}


@pytest.fixture(scope="module")
def service(module_app):
    """An app of this file's own, in which no version was counted before."""
    return module_app()


@pytest.fixture
def model(service):
    """A model with two versions, of which the first is in production."""
    name = new_name()
    for value in (1.0, 2.0):
        service.admin.upload(name, constant_model(value))
    service.admin.promote(name, 1)
    return name


@pytest.fixture(params=["fast path", "flask"])
def route(request, service, monkeypatch):
    """The way that predictions take."""
    fast_path = service.app.wsgi_app
    assert isinstance(fast_path, PredictionFastPath)
    if request.param == "flask":
        monkeypatch.setattr(service.app, "wsgi_app", fast_path.inner)


def samples(service, name):
    """The samples of a metric: labels and value."""
    text = service.admin.get("/metrics").text
    return [
        (sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    ]


def predictions(service, model):
    """The predictions of a model that were counted, by version, alias and outcome."""
    return {
        (labels["version"], labels["alias"], labels["outcome"]): value
        for labels, value in samples(service, "hotswap_predictions_total")
        if labels["model"] == model and value
    }


@pytest.mark.usefixtures("route")
def test_predictions_are_counted_by_version_and_alias(service, model):
    for reference, times in (("production", 3), ("1", 2), ("latest", 1)):
        for _ in range(times):
            answer = service.admin.post(f"/models/{model}/{reference}/predict", json=RECORD)
            assert answer.status_code == 200
    service.admin.post(f"/models/{model}/predict", json=RECORD)

    assert predictions(service, model) == {
        ("1", "production", "ok"): 4,
        ("1", "", "ok"): 2,
        ("2", "latest", "ok"): 1,
    }


@pytest.mark.usefixtures("route")
def test_refused_predictions_are_counted_by_version(service, model):
    path = f"/models/{model}/predict"
    check_problem(service.admin.post(path, json={"x0": 1.0}), 422, "input-refused")
    check_problem(
        service.admin.post(path, data=b"{", content_type="application/json"), 400, "body-malformed"
    )
    check_problem(
        service.admin.post(path, data=b"?", content_type="image/png"), 415, "format-unsupported"
    )

    assert predictions(service, model) == {("1", "production", "refused"): 3}


@pytest.mark.usefixtures("route")
def test_unknown_names_create_no_time_series(service, model):
    before = samples(service, "hotswap_predictions_total")
    for path in (f"/models/{model}/9", f"/models/{model}/no-alias", "/models/no-model/1"):
        assert service.admin.post(f"{path}/predict", json=RECORD).status_code == 404
    assert service.stranger().post(f"/models/{model}/predict", json=RECORD).status_code == 401
    assert service.caller("upload").post(f"/models/{model}/predict", json=RECORD).status_code == 403

    assert samples(service, "hotswap_predictions_total") == before


def test_predictions_of_a_version_that_cannot_be_loaded_are_counted_as_failed(service):
    name, held = new_name(), service.stored()
    service.admin.upload(name, constant_model(4712.0))
    service.lose(service.stored() - held)

    answer = service.admin.post(f"/models/{name}/1/predict", json=RECORD)
    check_problem(answer, 503, "blob-missing")

    assert predictions(service, name) == {("1", "", "failed"): 1}


def test_outcomes_that_did_not_occur_are_reported_as_zero(service, model):
    """Prometheus sees no increase in a counter that begins with 1."""
    service.admin.post(f"/models/{model}/predict", json=RECORD)

    shown = {
        labels["outcome"]: value
        for labels, value in samples(service, "hotswap_predictions_total")
        if labels["model"] == model
    }
    assert shown == {"ok": 1, "refused": 0, "failed": 0}


def test_durations_of_predictions_are_a_histogram(service, model):
    path = f"/models/{model}/predict"
    for _ in range(3):
        service.admin.post(path, json=RECORD)
    service.admin.post(path, json={})

    metric = "hotswap_prediction_duration_seconds"
    version = {"model": model, "version": "1"}
    assert (version, 3) in samples(service, f"{metric}_count")
    assert (version | {"le": "+Inf"}, 3) in samples(service, f"{metric}_bucket")
    ((_, total),) = [each for each in samples(service, f"{metric}_sum") if each[0] == version]
    assert 0 < total < 30
    buckets = [
        value for labels, value in samples(service, f"{metric}_bucket") if labels["model"] == model
    ]
    assert buckets == sorted(buckets)


def test_the_number_of_named_versions_is_limited(make_app):
    """A version that is promoted afterwards is named nevertheless."""
    service = make_app()
    name = new_name()
    service.admin.upload(name, constant_model(1.0))
    counts = service.app.extensions["hotswap-telemetry"].predictions
    for number in range(1_000, 1_000 + MOST_SERIES):
        counts.unanswered((name, number), str(number), "failed")
    counts.flush()

    service.admin.promote(name, 1)
    service.admin.post(f"/models/{name}/predict", json=RECORD)

    named = samples(service, "hotswap_predictions_total")
    assert len(named) <= MOST_SERIES
    assert sum(value for _, value in named if value) == MOST_SERIES
    other = dict.fromkeys(("model", "version", "alias"), "other") | {"outcome": "failed"}
    assert (other, 3) in named
    assert predictions(service, name)["1", "production", "ok"] == 1
    assert len(samples(service, "hotswap_prediction_duration_seconds_count")) <= MOST_SERIES
