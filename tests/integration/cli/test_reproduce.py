"""``hotswap reproduce``: trains a version again from its lineage and compares."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_service import Answer, FakeService, problem
from trainers.recipe import Recipe
from trainers.trained import TrainedModel
from trainers.training import train


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [f"{x},{x % 3},{2 * x + x % 7},{'low' if x < 31 else 'high'}" for x in range(60)]
    file = tmp_path / "sales.csv"
    file.write_text("january,region,march,level\n" + "\n".join(rows) + "\n")
    return file


def registered(service: FakeService, model: TrainedModel, **changed: Any) -> None:
    """The model as version 1 of ``sales``, answering for its held-out rows as itself."""
    metadata = json.loads(json.dumps(model.metadata()))
    service.add_version("sales", **{**metadata, **changed})
    answers = {"model": "sales", "version": 1}
    answers["predictions"] = model.pipeline.predict(model.held_out).tolist()
    service.script("POST", "/models/sales/1/predict", Answer(200, answers))


@pytest.mark.parametrize(
    ("kind", "target"), [("linear", "march"), ("forest", "march"), ("tree", "level")]
)
def test_equal_results_count_as_reproduced(
    hotswap: Hotswap, service: FakeService, table: Path, kind: Any, target: str
) -> None:
    registered(service, train(Recipe(data=str(table), target=target, kind=kind, seed=3)))
    result = hotswap("reproduce", "sales/1", "--data", str(table))
    assert result.exit_code == 0, result.stderr
    assert "12 of 12 predictions agree." in result.stdout
    assert "differs" not in result.stdout
    assert result.stdout.splitlines()[-1] == "sales/1 was reproduced."


def test_different_data_is_reported_and_not_reproduced(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    registered(service, train(Recipe(data=str(table), target="march", kind="tree")))
    table.write_text(table.read_text().replace("\n7,", "\n70,"))
    result = hotswap("reproduce", "sales/1", "--data", str(table), "--json")
    assert result.exit_code == 1
    assert "sales/1 was not reproduced." in result.stderr
    assert "The data differs from what it was trained on" in result.stderr
    report = json.loads(result.stdout)
    assert report["agrees"] is False
    changed = [figure["name"] for figure in report["inputs"] if not figure["agrees"]]
    assert changed == ["data_sha256"]


def test_differing_predictions_are_counted(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    model = train(Recipe(data=str(table), target="march", kind="linear"))
    registered(service, model)
    answers = model.pipeline.predict(model.held_out).tolist()
    answers[0] += 1
    reply = {"model": "sales", "version": 1, "predictions": answers}
    service.script("POST", "/models/sales/1/predict", Answer(200, reply))
    result = hotswap("reproduce", "sales/1", "--data", str(table))
    assert result.exit_code == 1
    assert "11 of 12 predictions agree." in result.stdout
    assert "The largest difference is 1." in result.stdout


def test_differing_metrics_are_reported(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    model = train(Recipe(data=str(table), target="march", kind="linear"))
    registered(service, model, metrics={**model.metrics, "r2": 0.99999})
    result = hotswap("reproduce", "sales/1", "--data", str(table))
    assert result.exit_code == 1
    assert [line.split()[0] for line in result.stdout.splitlines() if "differs" in line] == ["r2"]


def test_a_version_that_does_not_predict_is_not_reproduced(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    registered(service, train(Recipe(data=str(table), target="march", kind="linear")))
    refusal = problem(404, "version-not-found", "Version 1 is archived.")
    service.script("POST", "/models/sales/1/predict", refusal)
    result = hotswap("reproduce", "sales/1", "--data", str(table))
    assert result.exit_code == 1
    assert "could not be compared: " in result.stdout
    assert "Version 1 is archived." in result.stdout


def test_a_version_without_a_recipe_cannot_be_trained_again(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    service.add_version("sales", lineage={}, environment={})
    result = hotswap("reproduce", "sales/1", "--data", str(table))
    assert result.exit_code == 2
    assert "was not trained by 'hotswap train'" in result.stderr


def test_data_is_required_except_for_a_bundled_set(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    registered(service, train(Recipe(data=str(table), target="march", kind="linear")))
    result = hotswap("reproduce", "sales/1")
    assert result.exit_code == 2
    assert "Missing option '--data': it was trained on sales.csv." in result.stderr
