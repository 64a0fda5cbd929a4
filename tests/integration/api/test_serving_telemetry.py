"""The metrics of versions, their loading, the database and promotions."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from benchmarks.swap import constant_model
from tests.integration.api.conftest import check_problem, new_name

METRICS = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"


@pytest.fixture(scope="module")
def service(module_app):
    """An app of this file's own: prometheus_client counts for the newest app of a process."""
    return module_app(watch=True)


def figures(service):
    """The metrics by name and labels, as written."""
    text = service.admin.get("/metrics").text
    return dict(re.findall(r"^(hotswap_\S+) (\S+)$", text, re.MULTILINE))


def grown(before, after, name):
    return float(after.get(name, 0)) - float(before.get(name, 0))


def test_loads_promotions_and_versions_in_memory_are_counted(service, artifacts):
    name, before = new_name(), figures(service)
    service.admin.upload(name, artifacts["plane"])
    assert service.admin.promote(name, 1).status_code == 200

    after = figures(service)

    assert grown(before, after, 'hotswap_promotions_total{result="done"}') == 1
    assert grown(before, after, "hotswap_version_load_duration_seconds_count") == 1
    assert int(float(after["hotswap_workers"])) == 1
    assert int(float(after["hotswap_database_unreadable"])) == 0
    deadline = time.monotonic() + 5
    while float(figures(service)["hotswap_loaded_versions"]) < 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_replays_and_unchanged_aliases_are_not_counted_as_promotions(service, artifacts):
    name = new_name()
    service.admin.upload(name, artifacts["plane"])
    key = {"Idempotency-Key": f"promote-{name}"}
    path = f"/models/{name}/1/promote"
    before = figures(service)

    assert service.admin.post(path, headers=key).status_code == 200
    assert service.admin.post(path, headers=key).headers["Idempotent-Replayed"] == "true"
    assert service.admin.post(path).status_code == 200
    alias = service.admin.put(f"/models/{name}/aliases/production", json={"version": 1})
    assert alias.status_code == 200

    after = figures(service)
    assert grown(before, after, 'hotswap_promotions_total{result="done"}') == 1


def test_a_version_that_cannot_be_loaded_is_counted_by_reason(service):
    name, held = new_name(), service.stored()
    service.admin.upload(name, constant_model(4711.0))
    service.lose(service.stored() - held)
    before = figures(service)

    check_problem(service.admin.promote(name, 1), 409, "version-not-loadable")
    answer = service.admin.post(f"/models/{name}/1/predict", json={"x0": 1.0, "x1": 2.0})
    check_problem(answer, 503, "blob-missing")

    after = figures(service)
    reason = 'hotswap_version_load_failures_total{reason="blob-missing"}'
    assert grown(before, after, reason) == 1
    assert grown(before, after, 'hotswap_promotions_total{result="version-not-loadable"}') == 1


def test_gauges_of_dead_workers_do_not_count(service):
    folder = service.app.extensions["hotswap-telemetry"].folder.path
    ended = subprocess.Popen(["true"])
    ended.wait()
    (alive,) = folder.glob(f"gauge_livesum_{os.getpid()}.db")
    left = Path(shutil.copy(alive, folder / f"gauge_livesum_{ended.pid}.db"))

    assert float(figures(service)["hotswap_workers"]) == 1
    assert not left.exists()


def test_a_scrape_contains_every_metric_in_prometheus_format(service, artifacts):
    service.admin.upload(new_name(), artifacts["plane"])
    text = service.admin.get("/metrics").text

    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        assert name.startswith("hotswap_")
        assert name.endswith("_total") == (kind == "counter")
        assert kind != "histogram" or name.endswith("_seconds")


def test_documented_metrics_and_served_metrics_are_the_same(service):
    name = new_name()
    service.admin.upload(name, constant_model(1.0))
    service.admin.promote(name, 1)
    service.admin.promote(name, 9)
    row = re.compile(r"^\| `(hotswap_\w+)[^|]*\| (?:counter|gauge|histogram) \|", re.MULTILINE)
    documented = set(row.findall(METRICS.read_text()))

    text = service.admin.get("/metrics").text
    served = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))

    only_after_one = {
        "hotswap_failed_authentications_total",
        "hotswap_version_load_failures_total",
        "hotswap_unloadable_versions",
    }
    only_on_postgresql = {"hotswap_hosts", "hotswap_lease_seconds"}  # test_hosts.py
    assert served | only_after_one | only_on_postgresql == documented
