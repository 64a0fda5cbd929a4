"""The form of a plan: what is typed in it, and where its faults are shown."""

import pytest

from console.forms.plans import proposed_form, read_plan, step_rows, with_plan_faults
from console.forms.submitted import Form
from registry.errors import PlanMalformed
from registry.rollouts.plan import DEFAULT_GUARDS, MOST_STEPS, parse_plan


def typed(**fields: str) -> Form:
    return Form({**proposed_form().typed, **fields})


def faults_of(form: Form) -> dict[str, str]:
    with pytest.raises(PlanMalformed) as refused:
        read_plan(form)
    return dict(with_plan_faults(form, refused.value).faults)


def test_the_proposed_form_is_a_plan_with_all_defaults() -> None:
    steps = [
        {"weight": 5, "minutes": 10, "requests": 2000},
        {"weight": 25, "minutes": 30, "requests": 10000},
        {"weight": 100},
    ]
    assert read_plan(proposed_form()) == parse_plan({"steps": steps})
    assert read_plan(proposed_form()).to_json()["guards"] == list(DEFAULT_GUARDS)


def test_every_part_of_a_plan_can_be_typed() -> None:
    form = typed(
        weight_1="2.5 %",
        minutes_1="0.5",
        requests_1="",
        guards=" faults <= 1% \n\n slow <= 2%",
        require="rmse <= champion * 1.02",
        by="token",
        deadline="2d",
        at_deadline="promote",
        unwatched="abort",
        bake="0",
    )
    assert read_plan(form).to_json() == {
        "steps": [
            {"weight": 2.5, "minutes": 0.5, "requests": 1},
            {"weight": 25, "minutes": 30, "requests": 10000},
            {"weight": 100},
        ],
        "guards": ["faults <= 1%", "slow <= 2%"],
        "require": ["rmse <= champion * 1.02"],
        "by": "token",
        "deadline": "2d",
        "at_deadline": "promote",
        "unwatched": "abort",
        "bake": 0,
    }


def test_a_row_without_text_is_no_step() -> None:
    form = typed(weight_1="", minutes_1="", requests_1="", weight_3="50", minutes_3="5")

    assert [step.weight for step in read_plan(form).steps] == [2500, 5000, 10000]


def test_a_plan_without_guards_has_none() -> None:
    assert read_plan(typed(guards="")).guards == ()


def test_each_fault_is_at_the_field_that_it_was_typed_in() -> None:
    form = typed(
        weight_1="",
        minutes_1="",
        requests_1="",
        minutes_2="soon",
        weight_3="120",
        minutes_3="5",
        requests_3="0.5",
        guards="faults <= 1%\n\nlatency <= 1%\nslow",
        deadline="tomorrow",
        bake="-1",
    )

    found = faults_of(form)

    assert set(found) == {"minutes_2", "weight_3", "guards", "deadline", "bake"}
    assert found["minutes_2"] == "expected minutes above 0 and up to 10,080"
    first, second = found["guards"].split("; line 4: ")
    assert first.startswith("line 3: 'latency <= 1%', at character 1: there is no guard 'latency'")
    assert second == "'slow', at character 5: expected '<='"


def test_steps_that_do_not_grow_are_a_fault_of_the_later_one() -> None:
    assert faults_of(typed(weight_2="5")) == {"weight_2": "expected more than in the step before"}


def test_a_form_without_steps_is_refused_at_its_first_row() -> None:
    empty = {
        f"{column}_{row}": "" for column in ("weight", "minutes", "requests") for row in (1, 2)
    }

    assert faults_of(typed(**empty)) == {
        "weight_1": f"expected 2 to {MOST_STEPS} steps, of which the last has the weight 100"
    }


def test_the_form_grows_up_to_the_most_steps() -> None:
    assert [row.number for row in step_rows(proposed_form(), more=True)] == [1, 2, 3]
    assert not step_rows(proposed_form(), more=True)[-1].weight
    many = typed(**{f"weight_{number}": "1" for number in range(1, 40)})
    assert len(step_rows(many, more=True)) == MOST_STEPS - 1
