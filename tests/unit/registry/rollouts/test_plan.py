"""Plans of rollouts: what is understood, and what a fault says."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import PlanMalformed
from registry.rollouts.plan import DEFAULT_GUARDS, Step, parse_plan, stored_plan

STEPS = [{"weight": 5, "minutes": 10, "requests": 2000}, {"weight": 100}]


def test_a_plan_is_parsed():
    plan = parse_plan(
        {
            "steps": [
                {"weight": 5, "minutes": 10, "requests": 2000},
                {"weight": 33.33, "minutes": 0.5},
                {"weight": 100},
            ],
            "guards": ["faults <= 2%"],
            "require": ["rmse <= champion * 1.02 @ 95%"],
            "by": "token",
            "deadline": "90m",
            "at_deadline": "promote",
            "unwatched": "abort",
            "bake": 0,
        }
    )

    assert plan.steps == (Step(500, 10.0, 2000), Step(3333, 0.5, 1), Step(10_000))
    assert [guard.events for guard in plan.guards] == ["faults"]
    assert [gate.text for gate in plan.require] == ["rmse <= champion * 1.02 @ 95%"]
    assert (plan.by, plan.at_deadline, plan.unwatched, plan.bake) == (
        "token",
        "promote",
        "abort",
        0,
    )
    assert plan.deadline_after == timedelta(minutes=90)
    assert plan.last == 2


def test_a_plan_has_defaults():
    assert parse_plan({"steps": STEPS}).to_json() == {
        "steps": STEPS,
        "guards": list(DEFAULT_GUARDS),
        "require": [],
        "by": "header",
        "deadline": "24h",
        "at_deadline": "hold",
        "unwatched": "hold",
        "bake": 60,
    }


@pytest.mark.parametrize(
    ("part", "at", "says"),
    [
        ({"steps": None}, "steps", "expected a list of steps"),
        ({"steps": "5"}, "steps", "expected a list of steps"),
        ({"steps": []}, "steps", "expected 2 to 20 steps"),
        ({"steps": [{"weight": 100}]}, "steps", "expected 2 to 20 steps"),
        ({"steps": [STEPS[0], STEPS[0]]}, "steps[1]", "the last step is the promotion"),
        (
            {"steps": [STEPS[0], {"weight": 100, "minutes": 5}]},
            "steps[1]",
            "the last step is the promotion",
        ),
        ({"steps": [5, {"weight": 100}]}, "steps[0]", "expected an object"),
        ({"steps": [{"minutes": 1}, {"weight": 100}]}, "steps[0].weight", "a percentage"),
        ({"steps": [{"weight": 0, "minutes": 1}, {"weight": 100}]}, "steps[0].weight", "above 0"),
        ({"steps": [{"weight": 100, "minutes": 1}, {"weight": 100}]}, "steps[0].weight", "below"),
        ({"steps": [{"weight": 5.001, "minutes": 1}, {"weight": 100}]}, "steps[0].weight", "two"),
        ({"steps": [{"weight": True, "minutes": 1}, {"weight": 100}]}, "steps[0].weight", "a per"),
        ({"steps": [{"weight": 5}, {"weight": 100}]}, "steps[0].minutes", "minutes above 0"),
        (
            {"steps": [{"weight": 5, "minutes": 0}, {"weight": 100}]},
            "steps[0].minutes",
            "minutes above 0 and up to 10,080",
        ),
        (
            {"steps": [{"weight": 5, "minutes": 1, "requests": 0}, {"weight": 100}]},
            "steps[0].requests",
            "expected 1 to 1,000,000,000",
        ),
        (
            {"steps": [{"weight": 5, "minutes": 1, "requests": 1.5}, {"weight": 100}]},
            "steps[0].requests",
            "a whole number",
        ),
        ({"steps": [{**STEPS[0], "second": 1}, STEPS[1]]}, "steps[0].second", "is unknown"),
        ({"steps": [STEPS[0], STEPS[0], STEPS[1]]}, "steps[1].weight", "more than in the step"),
        ({"guards": ["errors <= 1%"]}, "guards[0]", "there is no guard 'errors'"),
        ({"guards": "faults <= 1%"}, "guards", "expected a list of conditions"),
        ({"guards": [1]}, "guards", "expected a list of texts"),
        ({"require": ["rmse <"]}, "require[0]", "expected a number"),
        (
            {"require": ["live.rmse <= champion * 1.05 @ 95%"]},
            "require[0]",
            "metrics of live predictions are unavailable",
        ),
        ({"by": "row"}, "by", "expected one of header, token, random"),
        ({"deadline": "31d"}, "deadline", "a duration of up to 30d"),
        ({"deadline": 24}, "deadline", "a duration of up to 30d"),
        ({"deadline": "0h"}, "deadline", "a duration of up to 30d"),
        ({"at_deadline": "stop"}, "at_deadline", "expected one of hold, abort, promote"),
        ({"unwatched": "promote"}, "unwatched", "expected one of hold, abort"),
        ({"bake": -1}, "bake", "minutes from 0 to 10,080"),
        ({"bake": float("nan")}, "bake", "minutes from 0"),
        ({"version": 4}, "version", "is unknown; a plan has steps, guards"),
    ],
)
def test_a_fault_has_its_place(part, at, says):
    with pytest.raises(PlanMalformed) as refused:
        parse_plan({"steps": STEPS, **part})

    assert [fault.at for fault in refused.value.faults] == [at]
    assert says in refused.value.faults[0].message
    assert at in refused.value.detail


@pytest.mark.parametrize("minutes", [60, 60.5])
def test_steps_that_need_as_long_as_the_deadline_are_refused_in_new_plans(minutes):
    raw = {
        "steps": [
            {"weight": 5, "minutes": 1440},
            {"weight": 25, "minutes": minutes},
            {"weight": 100},
        ],
        "deadline": "25h",
    }

    with pytest.raises(PlanMalformed) as refused:
        parse_plan(raw)

    (fault,) = refused.value.faults
    assert fault.at == "deadline"
    assert fault.message == (
        f"expected more than {1440 + minutes:,g} minutes, which the steps take; 25h is "
        "1,500 minutes"
    )
    assert stored_plan(raw).deadline == "25h"
    assert parse_plan({**raw, "deadline": "26h"}).deadline == "26h"


def test_all_faults_are_found():
    with pytest.raises(PlanMalformed) as refused:
        parse_plan(
            {
                "steps": [{"weight": 0, "minutes": 1}, {"weight": 5}, {"weight": 100}],
                "guards": ["nonsense", "faults <= 1%", "faults <= 1%"],
                "by": 3,
            }
        )

    assert [fault.at for fault in refused.value.faults] == [
        "steps[0].weight",
        "steps[1].minutes",
        "guards[0]",
        "guards[2]",
        "by",
    ]
    assert refused.value.detail.endswith("and 4 more.")


@given(
    weights=st.sets(st.integers(1, 9999), min_size=1, max_size=19),
    minutes=st.floats(0.01, 10_080),
    requests=st.integers(1, 10**9),
)
def test_a_plan_is_the_same_after_json(weights, minutes, requests):
    shares = [
        {"weight": weight / 100, "minutes": minutes, "requests": requests}
        for weight in sorted(weights)
    ]
    plan = stored_plan({"steps": [*shares, {"weight": 100}]})

    assert stored_plan(plan.to_json()) == plan
    assert [step.weight for step in plan.steps] == [*sorted(weights), 10_000]
