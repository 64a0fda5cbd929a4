"""``hotswap rollout``, and the requests of the client behind it."""

import json
from pathlib import Path
from typing import Any

import pytest

from hotswap import Registry, problems
from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_service import HSW, Answer, FakeService, problem

PATH = "/models/housing/aliases/production/rollout"
PLAN = {
    "steps": [{"weight": 5, "minutes": 10, "requests": 2000}, {"weight": 100}],
    "guards": ["faults <= champion * 2 + 0.5%"],
}


def rollout(state: str = "running", **more: Any) -> dict[str, Any]:
    return {
        "id": 3,
        "model": "housing",
        "alias": "production",
        "version": 4,
        "champion": 3,
        "state": state,
        "reason": "Step 1 of 2, a weight of 5 %: 3 of 10 minutes have passed.",
        "step": 1,
        "step_began_at": "2026-11-23T06:00:00.000Z",
        "requests": {"canary": 61, "champion": 1203},
        "guards": [
            {
                "guard": "faults <= champion * 2 + 0.5%",
                "verdict": "passed",
                "e_value": 0.84,
                "canary": {"requests": 61, "bad": 0},
                "champion": {"requests": 1203, "bad": 2},
            }
        ],
        "plan": PLAN,
        "revision": 1,
        "watched": True,
        "forced": False,
        "deadline_at": "2026-11-24T06:00:00.000Z",
        "created_at": "2026-11-23T06:00:00.000Z",
        "created_by": "ann",
        "ended_at": None,
        "cooldown_until": None,
        **more,
    }


def test_a_rollout_is_started_by_a_plan_in_a_file(
    hotswap: Hotswap, service: FakeService, tmp_path: Path
) -> None:
    service.script("PUT", PATH, Answer(200, rollout()))
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))

    started = hotswap(
        *("rollout", "start", "housing", "4", "--plan", str(tmp_path / "plan.json")),
        *("--reason", "lower rmse", "--expected-version", "3", "--expected-generation", "7"),
    )

    assert started.exit_code == 0, started.output
    assert service.requests[-1].json == {
        **PLAN,
        "version": 4,
        "reason": "lower rmse",
        "expected_version": 3,
        "expected_generation": 7,
    }
    assert service.requests[-1].headers["Idempotency-Key"]
    assert "version 3 -> 4" in started.stdout
    assert "3 of 10 minutes have passed" in started.stdout


def test_a_rollout_is_started_by_steps_and_guards(hotswap: Hotswap, service: FakeService) -> None:
    service.script("PUT", "/models/housing/aliases/blue/rollout", Answer(200, rollout()))

    started = hotswap(
        *("rollout", "start", "housing", "4", "--alias", "blue", "--json"),
        *("--step", "5:10:2000", "--step", "0.25:1.5", "--guard", "faults <= 1%"),
    )

    assert json.loads(started.stdout) == rollout()
    assert service.requests[-1].json == {
        "version": 4,
        "steps": [
            {"weight": 5, "minutes": 10, "requests": 2000},
            {"weight": 0.25, "minutes": 1.5},
            {"weight": 100},
        ],
        "guards": ["faults <= 1%"],
    }


@pytest.mark.parametrize(
    "step", ["5", "five:10", "nan:10", "5:inf", "5:10:2000:1", "5:10:many", ""]
)
def test_a_malformed_step_is_wrong_usage(hotswap: Hotswap, service: FakeService, step: str) -> None:
    refused = hotswap("rollout", "start", "housing", "4", "--step", step)

    assert refused.exit_code == 2
    assert "is not a step" in refused.stderr
    assert service.requests == []


@pytest.mark.parametrize("content", ["", "[5]", "{", "7"])
def test_a_plan_that_is_no_json_object_is_wrong_usage(
    hotswap: Hotswap, service: FakeService, content: str
) -> None:
    refused = hotswap("rollout", "start", "housing", "4", "--plan", "-", stdin=content)

    assert refused.exit_code == 2
    assert service.requests == []


def test_a_rollout_needs_steps(hotswap: Hotswap, service: FakeService) -> None:
    refused = hotswap("rollout", "start", "housing", "4", "--guard", "faults <= 1%")

    assert refused.exit_code == 2
    assert "--plan FILE or --step" in refused.stderr
    assert service.requests == []


def test_the_faults_of_a_plan_are_shown(hotswap: Hotswap, service: FakeService) -> None:
    faults = [{"at": "steps[0].weight", "message": "expected a percentage"}]
    service.script("PUT", PATH, problem(422, "plan-malformed", "Invalid plan.", errors=faults))

    refused = hotswap("rollout", "start", "housing", "4", "--step", "500:10")

    assert refused.exit_code == 1
    assert "steps[0].weight: expected a percentage" in refused.stderr


def test_the_status_has_the_step_and_the_guards(hotswap: Hotswap, service: FakeService) -> None:
    service.script("GET", PATH, Answer(200, rollout(watched=False)))

    shown = hotswap("rollout", "status", "housing")

    assert shown.exit_code == 0
    assert "1 of 2, 5 % since 2026-11-23 06:00:00 UTC" in shown.stdout
    assert "61 by version 4, 1,203 by version 3" in shown.stdout
    guard = next(line for line in shown.stdout.splitlines() if "0.84" in line)
    assert "0 of 61" in guard
    assert "2 of 1,203" in guard
    assert "no: the keeper does not run" in shown.stdout


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("promoted", 0),
        ("held", 10),
        ("paused", 10),
        ("rolled_back", 11),
        ("aborted", 11),
        ("ended", 11),
    ],
)
def test_waiting_for_a_rollout_ends_with_an_exit_code(
    hotswap: Hotswap, service: FakeService, state: str, code: int
) -> None:
    service.script("GET", PATH, Answer(200, rollout(state, reason="So it is.", revision=2)))

    waited = hotswap("rollout", "status", "housing", "--wait")

    assert waited.exit_code == code
    assert waited.stderr.splitlines()[0] == f"{state}: So it is."


def test_the_client_waits_while_a_rollout_goes_on(service: FakeService) -> None:
    service.script_next("GET", PATH, Answer(200, rollout()), times=2)
    service.script_next("GET", PATH, Answer(200, rollout("baking", revision=2)))
    service.script("GET", PATH, Answer(200, rollout("promoted", revision=3)))
    seen: list[str] = []

    with Registry(service.url, HSW) as registry:
        found = registry.wait_for_rollout(
            "housing", seconds=0.01, changed=lambda one: seen.append(one["state"])
        )

    assert found["state"] == "promoted"
    assert seen == ["running", "running", "baking", "promoted"]


def test_waiting_says_once_that_nobody_watches(hotswap: Hotswap, service: FakeService) -> None:
    service.script("GET", PATH, Answer(200, rollout("held", watched=False)))

    waited = hotswap("rollout", "status", "housing", "--wait", "--json")

    assert waited.exit_code == 10
    assert waited.stderr.count("watched: no: the keeper does not run") == 1
    assert json.loads(waited.stdout)["watched"] is False


@pytest.mark.slow  # the waits between attempts are random, up to 15 s in all
def test_waiting_goes_on_while_the_service_is_replaced(
    hotswap: Hotswap, service: FakeService
) -> None:
    service.script("GET", PATH, Answer(200, rollout("promoted")))
    service.script_next("GET", PATH, problem(503, "draining", "It stops."), times=4)

    waited = hotswap("rollout", "status", "housing", "--wait")

    assert waited.exit_code == 0, waited.output
    assert waited.stderr.count("Trying again") == 4


@pytest.mark.parametrize("verb", ["pause", "resume", "abort", "finish"])
def test_a_rollout_is_moved(hotswap: Hotswap, service: FakeService, verb: str) -> None:
    service.script("POST", f"{PATH}/{verb}", Answer(200, rollout("aborted", revision=2)))

    moved = hotswap(
        *("rollout", verb, "housing", "--reason", "too slow", "--expected-revision", "1")
    )

    assert moved.exit_code == 0, moved.output
    assert service.requests[-1].json == {"reason": "too slow", "expected_revision": 1}
    assert service.requests[-1].headers["Idempotency-Key"]
    assert "aborted" in moved.stdout


def test_a_rollout_that_has_changed_is_not_moved(hotswap: Hotswap, service: FakeService) -> None:
    service.script("POST", f"{PATH}/finish", problem(409, "rollout-changed", "It is at 3."))

    refused = hotswap("rollout", "finish", "housing", "--expected-revision", "2")

    assert refused.exit_code == 1
    assert "It is at 3." in refused.stderr


def test_the_client_has_classes_for_the_problems_of_rollouts(service: FakeService) -> None:
    service.script("GET", PATH, problem(404, "rollout-not-found", "There was none."))
    service.script("PUT", PATH, problem(409, "rollout-cooling-down", "Not yet."))

    with Registry(service.url, HSW) as registry:
        with pytest.raises(problems.RolloutNotFound):
            registry.rollout("housing")
        with pytest.raises(problems.RolloutCoolingDown):
            registry.start_rollout("housing", 4, PLAN)
