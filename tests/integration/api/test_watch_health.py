"""What the service reports of its keeper: at /metrics, at /health and on the console."""

import re

import pytest

from registry.watching.heartbeat import Heartbeat
from tests.integration.watching.serving_since import serve_since


def watch_metrics(service):
    text = service.admin.get("/metrics").text
    pairs = re.findall(r"^(hotswap_watch_\w+) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in pairs}


def beat(service):
    heartbeat = Heartbeat(service.data / "run")
    heartbeat.beat()
    heartbeat.close()


def test_a_service_that_has_just_started_counts_as_watched(make_app):
    service = make_app(watch=True)

    found = watch_metrics(service)

    assert found["hotswap_watch_up"] == 1
    assert found["hotswap_watch_lag_seconds"] < 60
    assert service.admin.get("/health").json["status"] == "ok"


def test_a_minute_without_a_keeper_is_reported_until_one_beats(make_app):
    service = make_app(watch=True)
    serve_since(service.data / "run", 135)

    found, health = watch_metrics(service), service.admin.get("/health").json

    assert found["hotswap_watch_up"] == 0
    assert found["hotswap_watch_lag_seconds"] == pytest.approx(135, abs=20)
    said = "nothing has watched rollouts and alerts for 2 min: the keeper does not run"
    assert (health["status"], health["summary"]) == ("fault", said)
    (problem,) = [one for one in health["problems"] if one["message"] == said]
    assert "hotswap watch run" in problem["advice"]
    keeper = [one["result"] for one in health["findings"] if one["check"] == "keeper"]
    assert keeper == ["fault"]

    beat(service)

    assert watch_metrics(service)["hotswap_watch_up"] == 1
    assert service.admin.get("/health").json["status"] == "ok"


def test_without_watching_no_keeper_is_missed(make_app):
    service = make_app(watch=False)
    serve_since(service.data / "run", 10_000)

    assert watch_metrics(service) == {}
    assert service.admin.get("/health").json["status"] == "ok"
