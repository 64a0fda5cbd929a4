"""The dashboard and the alert rules in ``deploy/`` name only metrics and labels that are served."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.swap import constant_model
from registry.operations.open_alert import open_alert
from tests.integration.api.conftest import Caller, new_name

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "hotswap.json").read_text())
RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
METRIC = re.compile(r"\b(hotswap_\w+)(?:\{([^}]*)\})?")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
GROUPING = re.compile(r"\bby \(([^)]*)\)")
ADDED = {"job", "instance", "le"}
"""Labels that Prometheus adds, and the one of buckets."""


def expressions() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard and condition of the rules, with where it is."""
    for panel in PANELS:
        for target in panel["targets"]:
            yield f"panel {panel['title']}", target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            (found,) = re.findall(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            assert variable["definition"] == variable["query"]["query"], variable["name"]
            yield f"variable {variable['name']}", f"sum by ({found[1]}) ({found[0]})"
    for rule in RULES["groups"][0]["rules"]:
        yield f"alert {rule['alert']}", rule["expr"]


@pytest.fixture(scope="module")
def served(module_app) -> dict[str, set[str]]:
    """The name of every sample with the names of its labels."""
    service = module_app(watch=True)
    name = new_name()
    held = service.stored()
    service.admin.upload(name, constant_model(4713.0))
    service.stranger().get("/models")
    service.admin.post(f"/models/{name}/1/predict", json={"x0": 1.0, "x1": 2.0})
    service.admin.upload(name, constant_model(4714.0))
    service.lose(service.stored() - held)
    service.admin.promote(name, 2)
    service.admin.post(f"/models/{name}/2/predict", json={"x0": 1.0, "x1": 2.0})
    _start_rollout(service.admin)
    service.services.observer.polled(readable=True, loaded=1, missing=1, unloadable=[(name, 2)])
    with service.services.database.write() as session:
        open_alert(session, "held", "production", "It waits.", actor="keeper", model=name)
    text = service.admin.get("/metrics").text
    samples = re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", text, re.MULTILINE)
    return {name: set(re.findall(r'(\w+)="', labels)) for name, labels in samples}


def _start_rollout(caller: Caller) -> None:
    """It also splits its alias."""
    name = new_name()
    for value in (4715.0, 4716.0):
        caller.upload(name, constant_model(value))
    caller.promote(name, 1)
    steps = [{"weight": 5, "minutes": 10}, {"weight": 100}]
    path = f"/models/{name}/aliases/production/rollout"
    assert caller.put(path, json={"version": 2, "steps": steps}).status_code == 200


def test_every_expression_uses_existing_metrics_and_labels(served: dict[str, Any]) -> None:
    for where, expression in expressions():
        named = METRIC.findall(expression)
        assert named or where == "alert HotswapDown", where
        known = set(ADDED)
        for metric, labels in named:
            assert metric in served, f"{where}: {metric}"
            known |= served[metric]
            assert set(LABEL.findall(labels)) <= served[metric] | ADDED, f"{where}: {labels}"
        for group in GROUPING.findall(expression):
            assert set(group.split(", ")) <= known, f"{where}: {group}"


def test_every_metric_is_shown_on_the_dashboard(served: dict[str, Any]) -> None:
    shown = {metric for _, expression in expressions() for metric, _ in METRIC.findall(expression)}

    histograms = {name.removesuffix("_count") for name in served if name.endswith("_count")}
    parts = {f"{name}_{part}" for name in histograms for part in ("count", "sum")}
    assert set(served) - parts <= shown


def test_the_dashboard_has_what_an_import_into_grafana_requires() -> None:
    assert isinstance(DASHBOARD["schemaVersion"], int)
    assert DASHBOARD["title"]
    assert "id" not in DASHBOARD  # it would replace the dashboard with this id
    identifiers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(identifiers)) == len(identifiers)
    for panel in DASHBOARD["panels"]:
        assert {"type", "title", "gridPos"} <= set(panel)
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    for panel in PANELS:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert [target["refId"] for target in panel["targets"]]
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
    variables = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    assert variables[0] == "datasource"
    used = {name for _, text in expressions() for name in re.findall(r'"\$(\w+)"', text)}
    assert used == set(variables[1:])


def test_panels_do_not_overlap() -> None:
    covered: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & covered, panel["title"]
        covered |= cells
