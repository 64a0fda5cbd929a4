"""The routes of alerts, and their metric."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.swap import constant_model
from registry.operations.close_alert import close_alert
from registry.operations.open_alert import open_alert
from registry.storage.history import record
from registry.storage.tables import AliasRow
from tests.integration.api.conftest import check_problem


@pytest.fixture
def model(service, fresh_name):
    """A model with an open and a closed alert."""
    service.admin.post("/models", json={"name": fresh_name})
    with service.services.database.write() as session:
        for subject in ("canary", "production"):
            open_alert(session, "held", subject, "It waits.", actor="keeper", model=fresh_name)
        close_alert(
            session, "held", "canary", actor="keeper", reason="It goes on.", model=fresh_name
        )
    return fresh_name


def subjects(page):
    return [alert["subject"] for alert in page["items"]]


def test_the_alerts_of_a_model_are_listed_newest_first(service, model):
    path = f"/models/{model}/watch/alerts"

    page = service.admin.get(path)

    assert page.status_code == 200
    assert subjects(page.json) == ["production", "canary"]
    assert page.json["total"] == 2
    assert subjects(service.admin.get(f"{path}?open=true").json) == ["production"]
    assert subjects(service.admin.get(f"{path}?open=false").json) == ["canary"]
    assert subjects(service.admin.get(f"{path}?kind=guard").json) == []
    first = service.admin.get(f"{path}?page_size=1").json
    assert subjects(first) == ["production"]
    assert subjects(service.admin.get(f"{path}?after={first['next']}").json) == ["canary"]
    check_problem(service.admin.get(f"{path}?open=maybe"), 400, "parameter-malformed")
    check_problem(service.admin.get(f"{path}?kind=fire"), 400, "parameter-malformed")
    check_problem(service.admin.get("/models/nobody/watch/alerts"), 404, "model-not-found")


def test_the_alerts_of_all_models_are_those_that_the_token_covers(service, model):
    limited = service.caller("promote", models=[model])

    assert {alert["model"] for alert in limited.get("/alerts").json["items"]} == {model}
    assert service.admin.get(f"/alerts?model={model}&open=true").json["total"] == 1
    other = service.caller("promote", models=["another"])
    assert other.get("/alerts").json["items"] == []


def test_an_alert_is_noted_as_seen(service, model):
    (alert,) = service.admin.get(f"/models/{model}/watch/alerts?open=true").json["items"]
    path = f"/alerts/{alert['id']}/seen"

    seen = service.admin.post(path)

    assert seen.status_code == 200
    assert seen.json == {**alert, "seen_by": seen.json["seen_by"], "seen_at": seen.json["seen_at"]}
    assert seen.json["seen_by"] is not None
    other = service.caller("promote", models=["another"])
    check_problem(other.post(path), 404, "alert-not-found")
    check_problem(service.caller("upload").post(path), 403, "scope-missing")
    for unknown in ("999999999", "9999999999", "seven", "-1"):
        check_problem(service.admin.post(f"/alerts/{unknown}/seen"), 404, "alert-not-found")


def test_open_alerts_are_a_metric(service, model):
    def counted():
        families = text_string_to_metric_families(service.admin.get("/metrics").text)
        return {
            sample.labels["kind"]: sample.value
            for family in families
            for sample in family.samples
            if sample.name == "hotswap_alerts_open" and sample.labels["model"] == model
        }

    assert counted() == {"held": 1}
    with service.services.database.write() as session:
        close_alert(session, "held", "production", actor="keeper", reason="Fine.", model=model)
    assert counted() == {}


def test_an_alias_named_watch_is_that_of_an_earlier_release(service, fresh_name):
    """The word is reserved, but predictions through such an alias are answered."""
    service.admin.upload(fresh_name, constant_model(7.0))
    with service.services.database.write() as session:
        session.add(AliasRow(model=fresh_name, name="watch", number=1))
        record(session, "promoted", actor="a", model=fresh_name, alias="watch", to_version=1)

    answer = service.admin.post(f"/models/{fresh_name}/watch/predict", json={"x0": 1.0, "x1": 2.0})

    assert answer.json == {"model": fresh_name, "version": 1, "prediction": 7.0}
    assert service.admin.get(f"/models/{fresh_name}/aliases/watch").json["version"] == 1
    refused = service.admin.promote(fresh_name, 1, alias="Watch")
    check_problem(refused, 400, "alias-malformed")
