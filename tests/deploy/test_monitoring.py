"""deploy/prometheus and deploy/grafana with the real Prometheus.

Requires promtool and prometheus: make deploy-programs installs them.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from benchmarks.swap import constant_model
from tests.system.real_server import BIN, Server, free_port, running, wait_until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
TESTS = Path(__file__).with_name("rules_test.yml")
RULES = [
    rule["alert"]
    for rule in yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())["groups"][0][
        "rules"
    ]
]


def promtool(*arguments: str | Path) -> str:
    """Run promtool; fails with its output if it does."""
    done = subprocess.run(
        ["promtool", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the configuration, the rules and a file for the token."""
    for name in ("prometheus.yml", "rules.yml"):
        shutil.copy(DEPLOY / "prometheus" / name, tmp_path)
    (tmp_path / "hotswap.token").write_text("secret")
    return tmp_path


def queries() -> Iterator[tuple[str, str]]:
    """The queries of the dashboard, for all jobs and models, with the names of their panels."""
    dashboard = json.loads((DEPLOY / "grafana" / "hotswap.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            query = re.sub(r'"\$(?:job|model)"', '".*"', target["expr"])
            yield panel["title"], query.replace("$__rate_interval", "5s")


def test_promtool_accepts_the_configuration_and_the_rules(installed: Path) -> None:
    said = promtool("check", "config", installed / "prometheus.yml")

    assert f"{len(RULES)} rules found" in said


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    promtool("test", "rules", TESTS)

    cases = [
        case
        for group in yaml.safe_load(TESTS.read_text())["tests"]
        for case in group["alert_rule_test"]
    ]
    for fires in (True, False):
        tested = {case["alertname"] for case in cases if bool(case["exp_alerts"]) is fires}
        assert tested == set(RULES)


@pytest.fixture
def prometheus(own_server: Server, installed: Path) -> Iterator[str]:
    """The URL of a Prometheus that scrapes ``own_server`` every second."""
    config = installed / "prometheus.yml"
    text = config.read_text().replace("127.0.0.1:8000", f"127.0.0.1:{own_server.port}")
    config.write_text(text.replace("15s", "1s"))
    token = own_server.hotswap(
        *("tokens", "create", "prometheus", "--scope", "predict", "--model", "none", "--json")
    )
    (installed / "hotswap.token").write_text(json.loads(token.stdout)["token"])
    port = free_port()
    with (installed / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={installed / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(f"{url}/-/ready"), "Prometheus is not ready")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).ok
    except requests.ConnectionError:
        return False


def _results(url: str, query: str) -> list[dict[str, Any]]:
    answer = requests.get(f"{url}/api/v1/query", params={"query": query}, timeout=30)
    assert answer.ok, f"{query}: {answer.text}"
    results: list[dict[str, Any]] = answer.json()["data"]["result"]
    return results


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two workers."""
    data = tmp_path_factory.mktemp("server") / "data"
    with running([BIN / "hotswap", "serve", "--workers", "2"], data, free_port()) as started:
        yield started


def test_prometheus_shows_the_predictions_of_a_version_on_the_dashboard(
    own_server: Server, prometheus: str
) -> None:
    upload = own_server.call(
        "POST", "/models/house/versions", files={"artifact": ("model.skops", constant_model(1.0))}
    )
    assert upload.status_code == 201, upload.text
    assert own_server.call("POST", "/models/house/1/promote").ok
    record = {"x0": 1.0, "x1": 2.0}

    def shown() -> bool:
        own_server.call("POST", "/models/house/predict", json=record)
        results = dict.fromkeys(("Predictions by version", "Time of a prediction, p99"), False)
        for panel, query in queries():
            labels = [result["metric"] for result in _results(prometheus, query)]
            if panel in results:
                results[panel] |= any(each.get("model") == "house" for each in labels)
        return all(results.values())

    wait_until(shown, "the predictions are not shown")
    (up,) = _results(prometheus, 'up{job="hotswap"}')
    assert up["value"][1] == "1"
    alerts = requests.get(f"{prometheus}/api/v1/rules", timeout=30).json()["data"]["groups"]
    assert [rule["health"] for rule in alerts[0]["rules"]] == ["ok"] * len(RULES)
    assert _results(prometheus, 'ALERTS{alertstate="firing"}') == []
