"""``hotswap retrain`` with a plan in the recipe: a rollout instead of a promotion."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_registry import FakeRegistry
from tests.integration.cli.fake_service import Answer, problem, running
from tests.integration.cli.test_rollout import rollout

PATH = "/models/sales/aliases/production/rollout"
PLAN = {"steps": [{"weight": 5, "minutes": 10}, {"weight": 100}]}


@pytest.fixture
def service() -> Iterator[FakeRegistry]:
    """With version 1 in production, made by somebody else."""
    with running(FakeRegistry) as service:
        assert isinstance(service, FakeRegistry)
        service.add_version("sales", metrics={"rmse": 9.0})
        service.aliases["sales"] = {"production": 1}
        service.script("PUT", PATH, Answer(200, rollout(model="sales", version=2, champion=1)))
        yield service


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe beside its data and its plan."""
    rows = [f"{x},{x % 7},{3 * x + x % 7}" for x in range(60)]
    (tmp_path / "sales.csv").write_text("january,region,march\n" + "\n".join(rows) + "\n")
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    file = tmp_path / "sales.toml"
    file.write_text(
        'name = "sales"\ndata = "sales.csv"\ntarget = "march"\nkind = "tree"\n'
        '[promotion]\nrollout = "plan.json"\n'
    )
    return file


def retrain(hotswap: Hotswap, recipe: Path, *more: str) -> Result:
    return hotswap("retrain", str(recipe), "--patience", "0", *more)


def happened(service: FakeRegistry, kind: str) -> None:
    """A rollout of version 2 has begun or ended."""
    service._event(
        kind, alias="production", from_version=1, to_version=2, reason="The guard failed."
    )


def started(service: FakeRegistry) -> list[dict[str, object]]:
    return [one.json for one in service.requests if (one.method, one.path) == ("PUT", PATH)]


def test_a_rollout_of_the_version_is_started(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    result = retrain(hotswap, recipe, "--json")

    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["outcome"] == "rolling_out"
    assert report["headline"] == "Version 2 is rolled out to sales/production."
    assert report["rollout"]["state"] == "running"
    (request,) = started(service)
    assert request["steps"] == PLAN["steps"]
    assert (request["version"], request["expected_version"]) == (2, 1)
    assert str(request["reason"]).startswith("retrained: ")
    assert service.promotions() == []


def test_a_repeated_run_sends_the_same_request(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    retrain(hotswap, recipe)
    happened(service, "rollout_started")
    again = retrain(hotswap, recipe)

    assert again.exit_code == 0, again.stderr
    assert len(service.versions["sales"]) == 2
    first, second = [one for one in service.requests if (one.method, one.path) == ("PUT", PATH)]
    assert first.body == second.body
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]


def test_a_version_whose_rollout_has_ended_is_not_rolled_out_again(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    retrain(hotswap, recipe)
    happened(service, "rollout_started")
    happened(service, "rollout_ended")
    again = retrain(hotswap, recipe)

    assert again.exit_code == 10, again.stderr
    assert "Version 2 of sales was not promoted; version 1 stays." in again.stdout
    assert "The guard failed." in again.stdout
    assert len(started(service)) == 1


def test_a_rollout_that_somebody_has_started_again_is_in_progress(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    retrain(hotswap, recipe)
    for kind in ("rollout_started", "rollout_ended", "rollout_started"):
        happened(service, kind)

    assert retrain(hotswap, recipe).exit_code == 0


def test_a_version_that_fails_a_gate_is_not_rolled_out(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    gate = {"gate": "rmse <= champion", "passed": False, "candidate": 9.5, "champion": 9.0}
    evaluated = {"passed": False, "candidate": {}, "champion": None, "gates": [gate]}
    service.script("POST", "/models/sales/2/evaluate", Answer(200, evaluated))

    result = retrain(hotswap, recipe, "--gate", "rmse <= champion")

    assert result.exit_code == 10, result.stderr
    assert "rmse <= champion" in result.stdout
    assert started(service) == []


@pytest.mark.parametrize(
    ("slug", "outcome"),
    [
        ("rollout-active", "split_active"),
        ("split-in-the-way", "split_active"),
        ("rollout-cooling-down", "rolled_back"),
        ("gate-failed", "not_better"),
    ],
)
def test_a_refused_rollout_leaves_the_champion(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path, slug: str, outcome: str
) -> None:
    service.script("PUT", PATH, problem(409, slug, "Version 7 is tried at present."))

    result = retrain(hotswap, recipe, "--json")

    assert result.exit_code == 10, result.stderr
    report = json.loads(result.stdout)
    assert (report["outcome"], report["remark"]) == (outcome, "Version 7 is tried at present.")


def test_an_alias_that_has_moved_meanwhile_is_a_failure(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    service.script("PUT", PATH, problem(409, "expected-version-conflict", "It points at 7."))

    result = retrain(hotswap, recipe)

    assert result.exit_code == 1
    assert "It points at 7." in result.stderr


def test_the_first_version_of_a_model_is_promoted(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    service.versions.clear()
    service.aliases.clear()

    result = retrain(hotswap, recipe)

    assert result.exit_code == 0, result.stderr
    assert service.promotions() == [1]
    assert started(service) == []


@pytest.mark.parametrize("plan", ["{", "[]", '{"steps": [{"weight": 100}]}', None])
def test_an_invalid_plan_is_refused_before_the_training(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path, plan: str | None
) -> None:
    file = recipe.parent / "plan.json"
    file.unlink() if plan is None else file.write_text(plan)

    for command in (["retrain"], ["recipe", "check"]):
        refused = hotswap(*command, str(recipe))
        assert refused.exit_code == 2, refused.output
        assert "plan.json" in refused.stderr
    assert service.requests == []
