"""``hotswap health`` and ``hotswap traffic``, and the requests of the client behind them."""

import json
from datetime import UTC, datetime

from hotswap import Registry
from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_service import HSW, Answer, FakeService

SUMMARY = {
    "status": "ok",
    "summary": "1 worker, all well",
    "workers": 1,
    "version": "0.1.0",
    "schema": "0009",
}
WORKER = {
    "pid": 42,
    "since": "2026-11-22T06:00:00Z",
    "reported_at": "2026-11-22T07:00:00Z",
    "memory_bytes": 104_000_000,
    "busy": 3,
    "places": 32,
    "cache_bytes": 0,
    "cache_limit_bytes": 1_000_000_000,
    "loaded": [{"model": "housing", "version": 2, "kept": "alias"}],
    "unloaded": [{"model": "housing", "version": 3, "reason": "blob-missing"}],
}
FULL = {
    **SUMMARY,
    "status": "fault",
    "summary": "1 live version cannot be loaded",
    "problems": [{"level": "fault", "message": "version 3 is lost", "advice": "Roll back."}],
    "worker_reports": [WORKER],
    "replaced_workers": 2,
    "database": {"kind": "SQLite", "readable": True, "bytes": 237_568},
    "disk": {
        "total_bytes": 10**12,
        "free_bytes": 10**11,
        "used_bytes": {"artifacts": 3_000_000, "unused": 0, "measured_at": "2026-11-22T06:55:00Z"},
    },
    "last_backup": None,
    "findings": [
        {"check": "python", "result": "ok", "message": "Python", "advice": ""},
        {"check": "room", "result": "warning", "message": "9 MiB are free", "advice": "Make room."},
    ],
}
TRAFFIC = {
    "model": "housing",
    "window": "24h",
    "since": "2026-11-21T06:00:00Z",
    "until": "2026-11-22T06:00:00Z",
    "step_seconds": 900,
    "versions": [
        {
            "version": 3,
            "requests": 1200,
            "ok": 1190,
            "refused": 8,
            "failed": 2,
            "by_number_share": 0.25,
            "p50_seconds": 0.00042,
            "p95_seconds": 0.0012,
            "p99_seconds": None,
            "series": [],
        }
    ],
}


def test_health_prints_the_summary_to_those_who_may_see_no_more(
    hotswap: Hotswap, service: FakeService
) -> None:
    service.script("GET", "/health", Answer(200, SUMMARY))

    result = hotswap("health")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "status   ok: 1 worker, all well",
        "release  0.1.0, schema 0009",
    ]


def test_health_prints_workers_problems_and_findings_and_fails_on_a_fault(
    hotswap: Hotswap, service: FakeService
) -> None:
    service.script("GET", "/health", Answer(200, FULL))

    result = hotswap("health")

    assert result.exit_code == 1
    assert "fault: 1 live version cannot be loaded" in result.stdout
    assert "100.0 GB free of 1000.0 GB" in result.stdout
    assert "104.0 MB  3 of 32" in result.stdout
    assert "housing/2  housing/3: blob-missing" in result.stdout
    assert "version 3 is lost  Roll back." in result.stdout
    assert "9 MiB are free. Make room." in result.stdout
    assert "python" not in result.stdout
    assert json.loads(hotswap("health", "--json").stdout) == FULL


def test_traffic_prints_a_line_for_each_version(hotswap: Hotswap, service: FakeService) -> None:
    service.script("GET", "/models/housing/traffic", Answer(200, TRAFFIC))

    result = hotswap("traffic", "housing", "--window", "24h", "--until", "2026-11-22T06:00+00:00")

    assert result.stdout.splitlines() == [
        "VERSION  REQUESTS  REFUSED  FAILED  BY NUMBER  P50 MS  P95 MS  P99 MS",
        "      3      1200        8       2        25%    0.42     1.2       -",
    ]
    query = service.requests[0].query
    assert query["window"] == ["24h"]
    assert datetime.fromisoformat(query["until"][0]) == datetime(2026, 11, 22, 6, tzinfo=UTC)


def test_a_model_without_traffic_prints_nothing_to_stdout(
    hotswap: Hotswap, service: FakeService
) -> None:
    service.script("GET", "/models/housing/traffic", Answer(200, {**TRAFFIC, "versions": []}))

    result = hotswap("traffic", "housing")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "has had no predictions" in result.stderr


def test_the_client_asks_for_traffic_of_one_version(service: FakeService) -> None:
    service.script("GET", "/models/housing/traffic", Answer(200, TRAFFIC))

    with Registry(service.url, HSW) as registry:
        assert registry.traffic("housing", version=3)["versions"][0]["requests"] == 1200

    assert service.requests[0].query == {"window": ["1h"], "version": ["3"]}
