"""``GET /health``: what workers report of themselves, the disk, the database and the doctor."""

import json
import os
import subprocess

import pytest

from api.health_report import summary_of
from api.telemetry import current_telemetry
from api.worker_reports import Unloaded, WorkerReport, worker_reports
from config import Settings
from registry.backups.last import note_backup
from registry.storage.tables import utc_now
from registry.watching.telemetry_folders import started
from tests.integration.api.conftest import new_name


@pytest.fixture(scope="module")
def live(module_app, artifacts):
    """A service with one model: version 1 is live, 2 was asked by its number, 3 never."""
    service, name = module_app(), new_name()
    for number in (1, 2, 3):
        service.admin.upload(name, artifacts[f"line-{number}"])
    service.admin.promote(name, 1)
    service.admin.post(f"/models/{name}/2/predict", json={"input": [1]})
    return service, name


def test_any_token_gets_a_summary_that_names_no_model(live):
    service, _ = live

    found = service.caller("predict", models=["other-*"]).get("/health")

    assert set(found.json) == {"status", "summary", "workers", "version", "schema"}
    assert (found.json["status"], found.json["summary"]) == ("ok", "1 worker, all well")


def test_an_administrator_sees_each_worker_and_why_it_keeps_versions(live):
    service, name = live

    (worker,) = service.admin.get("/health").json["worker_reports"]

    assert {(one["model"], one["version"]): one["kept"] for one in worker["loaded"]} == {
        (name, 1): "alias",
        (name, 2): "cache",
    }
    assert worker["pid"] == os.getpid()
    assert worker["memory_bytes"] > 2**20
    assert 0 < worker["cache_bytes"] < worker["cache_limit_bytes"]
    assert worker["unloaded"] == []


def test_the_report_has_the_database_the_disk_and_findings_without_paths(live):
    service, _ = live

    answer = service.admin.get("/health")

    assert answer.json["database"]["readable"] is True
    assert answer.json["database"]["bytes"] > 0
    assert 0 < answer.json["disk"]["free_bytes"] < answer.json["disk"]["total_bytes"]
    checks = {finding["check"] for finding in answer.json["findings"]}
    assert {"python", "data", "room", "schema", "engine"} <= checks
    assert answer.json["replaced_workers"] == 0
    assert str(service.data.parent) not in answer.text
    assert "/usr" not in answer.text


def test_the_report_has_the_use_of_the_disk_by_kind_once_it_was_measured(live):
    service, _ = live
    assert service.admin.get("/health").json["disk"]["used_bytes"] is None

    service.services.housekeeping.look()

    used = service.admin.get("/health").json["disk"]["used_bytes"]
    assert used["artifacts"] > used["compiled"] > 0
    assert (used["data"], used["unused"], used["damaged"]) == (0, 0, 0)
    assert used["measured_at"].endswith("Z")


def test_the_time_of_the_last_backup_is_known_when_it_was_noted(live):
    service, _ = live
    assert service.admin.get("/health").json["last_backup"] is None

    note_backup(service.data / "run", "2026-11-22T03:00:00Z")

    assert service.admin.get("/health").json["last_backup"] == "2026-11-22T03:00:00.000Z"


def test_a_live_version_that_cannot_be_loaded_is_a_fault_with_advice(make_app, artifacts):
    service, name = make_app(), new_name()
    service.admin.upload(name, artifacts["line-1"])
    service.admin.promote(name, 1)
    service.lose(service.stored())
    service.services.pool.drop([(name, 1)])
    assert service.admin.post(f"/models/{name}/predict", json={"input": [1]}).status_code == 503

    found = service.admin.get("/health").json

    assert (found["status"], found["summary"]) == ("fault", "1 live version cannot be loaded")
    assert found["problems"][0]["message"] == (
        f"version 1 of {name} cannot be loaded in 1 of 1 workers: blob-missing"
    )
    (worker,) = found["worker_reports"]
    assert worker["unloaded"] == [{"model": name, "version": 1, "reason": "blob-missing"}]
    assert "fault" in {finding["result"] for finding in found["findings"]}


def current_folder(app):
    with app.app_context():
        return current_telemetry().folder.path


def report_of(service, pid, **changes):
    """The file in which the worker ``pid`` reports what this one does, but for ``changes``."""
    worker_reports(service.app).write()
    own = current_folder(service.app) / f"worker-{os.getpid()}.json"
    content = {**json.loads(own.read_text()), "pid": pid, "start": started(pid), **changes}
    file = own.with_name(f"worker-{pid}.json")
    file.write_text(json.dumps(content))
    return file


def test_workers_report_to_each_other_through_files(make_app):
    service = make_app()
    with subprocess.Popen(["sleep", "60"]) as other:
        file = report_of(service, other.pid, memory=123, busy=3, places=32)
        found = service.admin.get("/health").json
        assert found["workers"] == 2
        (its,) = [one for one in found["worker_reports"] if one["pid"] == other.pid]
        assert (its["memory_bytes"], its["busy"], its["places"]) == (123, 3, 32)
        other.kill()

    assert service.admin.get("/health").json["workers"] == 1
    assert not file.exists()


def test_a_worker_that_stopped_reporting_is_a_warning(make_app):
    service = make_app()
    with subprocess.Popen(["sleep", "60"]) as other:
        report_of(service, other.pid, at="2026-11-22T03:00:00Z")
        found = service.admin.get("/health").json
        other.kill()

    assert found["status"] == "warning"
    assert found["summary"] == "1 of 2 workers did not report for 20 s"


def test_the_worst_problem_comes_first(tmp_path):
    def report(**changes):
        given = {
            "pid": 1,
            "start": "",
            "since": utc_now(),
            "at": utc_now(),
            "memory": 0,
            "busy": 0,
            "places": 0,
            "cache_limit": 0,
            "reads_database": True,
            "loaded": [],
            "unloaded": [],
            **changes,
        }
        return WorkerReport(**given)

    settings = Settings(data=tmp_path)
    assert summary_of([report()], settings).words == "1 worker, all well"
    assert summary_of([report(reads_database=False)], settings).words == (
        "the database cannot be read"
    )
    found = summary_of([report(), report(unloaded=[Unloaded("m", 1)])], settings)
    assert (found.level, found.words) == ("warning", "1 live version loading")
