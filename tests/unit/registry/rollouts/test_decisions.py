"""Rollouts in simulated time, with a look each second."""

from dataclasses import replace

import pytest

from benchmarks.rollout_simulation import CANARY, CHAMPION, Run
from registry.rollouts.decide import decide, figures
from registry.rollouts.observed import Observed
from registry.rollouts.plan import parse_plan

PLAN = parse_plan(
    {
        "steps": [
            {"weight": 5, "minutes": 10, "requests": 2000},
            {"weight": 25, "minutes": 30, "requests": 10_000},
            {"weight": 100},
        ],
    }
)
SHORT = parse_plan(
    {
        "steps": [{"weight": 50, "minutes": 1, "requests": 100}, {"weight": 100}],
        "bake": 2,
    }
)


def test_a_version_like_the_champion_goes_through_all_steps():
    run = Run(PLAN).run(3 * 3600, requests=100, canary=0.002, champion=0.002)

    assert run.actions() == ["advance", "promote", "complete"]
    assert [second for second, _ in run.moves] == [600, 2400, 6000]
    assert [decision.reason for _, decision in run.moves] == [
        "Step 1 of 3, a weight of 5 %, passed.",
        "Step 2 of 3, a weight of 25 %, passed; it was the last before the promotion.",
        "No guard failed within 60 minutes.",
    ]
    assert run.progress.state == "promoted"


@pytest.mark.parametrize("seed", range(10))
def test_a_canary_that_fails_is_rolled_back_within_seconds(seed):
    run = Run(PLAN, seed=seed).run(600, requests=2000, canary=0.05)

    assert run.progress.state == "rolled_back"
    assert run.seconds <= 10
    assert run.last.reason.startswith("The guard 'faults <= champion * 2 + 0.5%' failed: "), (
        run.last.reason
    )


def test_the_figures_of_a_failed_guard_are_those_of_the_rollout():
    run = Run(PLAN)
    run.look()
    run.servers["one"].count(CANARY, 400, 100)
    run.servers["one"].count(CHAMPION, 9_000, 1)
    run.look()

    assert run.last.reason == (
        "The guard 'faults <= champion * 2 + 0.5%' failed: 100 of 500 requests of version 4 "
        "failed, and 1 of 9,001 of version 3."
    )
    faults, slow = figures(PLAN, run.observed)
    assert faults["verdict"] == "failed"
    assert faults["e_value"] > 100
    assert faults["canary"] == {"requests": 500, "bad": 100}
    assert faults["champion"] == {"requests": 9001, "bad": 1}
    assert (slow["verdict"], slow["canary"]) == ("passed", {"requests": 400, "bad": 0})


def test_a_canary_that_is_slow_is_rolled_back():
    run = Run(PLAN)
    for _ in range(30):
        run.servers["one"].count(CANARY, 9, time=3)
        run.servers["one"].count(CANARY, 1, time=4)
        run.servers["one"].count(CHAMPION, 190)
        run.look()

    assert run.progress.state == "rolled_back"
    assert "of version 4 were slow, and 0 of" in run.last.reason


def test_faults_of_both_versions_roll_nothing_back():
    run = Run(PLAN)
    for minute in range(10):
        outage = 0.5 if minute % 2 else 0.0
        run.run(60, requests=200, canary=outage, champion=outage)

    assert run.progress.state in {"running", "held"}


def test_without_requests_a_rollout_is_held_and_goes_on_when_they_return():
    run = Run(PLAN).run(3600, requests=0)

    assert run.actions() == ["hold"]
    assert run.moves[0][0] == 600
    assert run.moves[0][1].reason == (
        "Step 1 of 3, a weight of 5 %, is undecided after 10 minutes: version 4 had 0 of 2,000 "
        "requests; version 3 had 0 of 2,000 requests; the guard 'faults <= champion * 2 + 0.5%' "
        "has nothing to compare; the guard 'slow <= champion * 2 + 1%' has nothing to compare."
    )

    run.run(600, requests=200)
    assert run.actions() == ["hold", "advance"]
    assert 3600 + 190 <= run.moves[1][0] <= 3600 + 210, "2,000 requests at 10 a second"


def test_a_step_waits_for_the_requests_of_the_champion_too():
    plan = parse_plan({"steps": [{"weight": 99, "minutes": 1, "requests": 500}, {"weight": 100}]})
    run = Run(plan).run(90, requests=100)

    assert run.last.reason.startswith(
        "Step 1 of 2, a weight of 99 %, is undecided after 1 minute: version 3 had "
    )
    assert run.progress.state == "held"


def test_a_guard_that_is_undecided_holds_a_rollout():
    run = Run(SHORT).run(58, requests=20)
    run.servers["one"].count(CANARY, 0, 5)
    run.run(2, requests=20)

    assert run.progress.state == "held"
    assert "the guard 'faults <= champion * 2 + 0.5%' is undecided" in run.last.reason

    run.until(lambda: run.progress.state == "baking", 600, requests=20)
    assert run.actions() == ["hold", "promote"]


def test_the_reason_of_a_step_in_progress_says_what_has_passed():
    run = Run(PLAN).run(150, requests=100)
    canary = run.observed.step.canary.requests

    assert run.last.reason == (
        "Step 1 of 3, a weight of 5 %: 2 of 10 minutes have passed; version 4 had "
        f"{canary} of 2,000 requests."
    )


@pytest.mark.parametrize(
    ("at_deadline", "action", "state"),
    [("hold", "block", "held"), ("abort", "abort", "aborted"), ("promote", "promote", "baking")],
)
def test_the_deadline_does_what_the_plan_says(at_deadline, action, state):
    plan = replace(PLAN, deadline="15m", at_deadline=at_deadline)
    run = Run(plan).run(901, requests=0)

    assert run.moves[-1][0] == 900
    assert run.moves[-1][1].action == action
    assert run.moves[-1][1].reason == "The deadline of 15m has passed."
    assert run.progress.state == state


def test_after_the_deadline_a_person_decides():
    plan = replace(PLAN, deadline="15m")
    run = Run(plan).run(1000, requests=0)
    run.run(1000, requests=2000)

    assert run.progress.state == "held"
    assert run.progress.blocked
    assert run.last.reason == "It waits until somebody resumes, finishes or aborts it."

    run.progress = run.progress.resumed(plan, run.now)
    run.run(601, requests=2000)
    assert run.actions() == ["hold", "block", "advance"]


def test_a_paused_rollout_stays_where_it_is():
    run = Run(PLAN).run(60, requests=1000)
    run.progress = run.progress.paused()
    run.run(1200, requests=1000)

    assert run.actions() == []
    assert run.last.reason == "It was paused, and waits to be resumed."

    run.progress = run.progress.resumed(PLAN, run.now)
    run.run(1, requests=1000)
    assert run.actions() == ["advance"]


def test_a_paused_rollout_is_rolled_back_by_a_guard():
    run = Run(PLAN).run(60, requests=1000)
    run.progress = run.progress.paused()
    run.run(60, requests=1000, canary=0.5)

    assert run.progress.state == "rolled_back"


def test_the_deadline_does_not_end_a_paused_rollout():
    run = Run(replace(PLAN, deadline="1m", at_deadline="promote"))
    run.progress = run.progress.paused()
    run.run(120, requests=1000)

    assert run.actions() == []


def test_a_requirement_that_fails_rolls_back():
    plan = parse_plan({**SHORT.to_json(), "require": ["rmse <= champion * 1.02"]})
    run = Run(plan, required="failed").run(70, requests=100)

    assert run.actions() == ["roll_back"]
    assert run.last.reason == "Step 1 of 2, a weight of 50 %: a requirement failed."


def test_requirements_that_cannot_be_evaluated_hold_a_rollout():
    plan = parse_plan({**SHORT.to_json(), "require": ["rmse <= champion * 1.02"]})
    run = Run(plan, required="undecided").run(70, requests=100)

    assert run.actions() == ["hold"]
    run.required = "passed"
    run.run(1, requests=100)
    assert run.actions() == ["hold", "promote"]


def test_requirements_are_evaluated_at_the_end_of_a_step_only():
    plan = parse_plan({**SHORT.to_json(), "require": ["rmse <= champion * 1.02"]})
    run = Run(plan).run(59, requests=100)

    before = decide(plan, run.progress, run.observed, run.now)
    run.run(1, requests=100)

    assert before.action == "wait"
    assert run.actions() == ["promote"]


def test_a_guard_that_fails_while_baking_rolls_back():
    run = Run(SHORT).until(lambda: False, 70, requests=100, canary=0.001, champion=0.001)
    assert run.progress.state == "baking"

    run.run(60, requests=100, canary=0.2)
    assert run.progress.state == "rolled_back"
    assert run.seconds < 80


def test_what_the_steps_allowed_is_allowed_while_baking():
    plan = replace(SHORT, bake=30.0)
    run = Run(plan).run(1900, requests=100, canary=0.02, champion=0.02)

    assert run.progress.state == "promoted"


def test_without_baking_a_promotion_is_the_end():
    run = Run(replace(SHORT, bake=0.0)).run(100, requests=100)

    assert run.actions() == ["promote"]
    assert run.progress.state == "promoted"


def test_a_rollout_goes_on_from_what_was_stored():
    run, stored = Run(PLAN), Run(PLAN)
    for seconds in (1, 7, 90, 400, 900):
        run.run(seconds, requests=100, canary=0.004, champion=0.004)
        stored.run(seconds, requests=100, canary=0.004, champion=0.004)
        stored.observed = Observed.from_json(stored.observed.to_json())

    assert stored.observed == run.observed
    assert stored.moves == run.moves


@pytest.mark.parametrize("seed", range(3))
def test_an_equal_version_is_not_rolled_back(seed):
    plan = replace(PLAN, guards=PLAN.guards[:1])
    run = Run(plan, seed=seed).run(900, requests=50, canary=0.005, champion=0.005)

    assert run.progress.state in {"running", "held"}


@pytest.mark.slow
def test_of_60_rollouts_of_an_equal_version_at_most_3_are_rolled_back():
    plan = replace(PLAN, guards=PLAN.guards[:1], bake=20.0)
    ended = [
        Run(plan, seed=seed).run(3600, requests=100, canary=0.005, champion=0.005).progress.state
        for seed in range(60)
    ]

    assert ended.count("rolled_back") <= 3
