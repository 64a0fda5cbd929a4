"""Starting a rollout, and promoting beside one, in a real browser."""

import pytest
from playwright.sync_api import expect

from hotswap import Registry
from tests.browser.looks import faults_in_all_looks
from tests.browser.stock import add_rents
from tests.browser.visitor import Visitor


@pytest.fixture
def rents(registry: Registry, fresh_name: str) -> str:
    """Version 2 is live, 4 waits."""
    return add_rents(registry, fresh_name)


def test_a_rollout_is_started_from_the_page_of_its_model(
    anyone: Visitor, registry: Registry, rents: str
) -> None:
    page = anyone.page
    page.goto(f"/console/models/{rents}")
    page.get_by_role("link", name="Roll out in steps…").click()
    page.get_by_label("Weight of step 1 in percent").fill("2.5")
    page.get_by_role("button", name="Add a step").click()
    page.get_by_label("Weight of step 3 in percent").fill("50")
    page.get_by_label("Minutes of step 3").fill("5")
    page.get_by_role("textbox", name="Guards").fill("faults <= 1%")
    page.get_by_label("Why?").fill("smaller error")
    page.get_by_role("button", name="Start the rollout").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Rollout of v4 to production")
    expect(page.get_by_role("list", name="Steps")).to_contain_text("2.5 %")
    plan = registry.rollout(rents)["plan"]
    assert [step["weight"] for step in plan["steps"]] == [2.5, 25, 50, 100]
    assert plan["guards"] == ["faults <= 1%"]


def test_enter_in_a_field_starts_the_rollout_and_adds_no_step(
    anyone: Visitor, registry: Registry, rents: str
) -> None:
    page = anyone.page
    page.goto(f"/console/models/{rents}/4/rollout")
    page.get_by_label("Why?").fill("smaller error")
    page.get_by_label("Why?").press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Rollout of v4 to production")
    assert len(registry.rollout(rents)["plan"]["steps"]) == 3


def test_faults_of_a_plan_are_readable_in_all_looks(admin: Visitor, rents: str) -> None:
    admin.expect_status(422)
    page = admin.page
    page.goto(f"/console/models/{rents}/4/rollout")
    page.get_by_label("Weight of step 2 in percent").fill("3")
    page.get_by_role("textbox", name="Guards").fill("latency <= 1%")
    page.get_by_text("More of the plan").click()
    page.get_by_role("textbox", name="Deadline").fill("soon")
    page.get_by_label("Why?").fill("smaller error")
    page.get_by_role("button", name="Start the rollout").click()

    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_text("expected more than in the step before").last).to_be_visible()
    expect(page.get_by_role("textbox", name="Deadline")).to_be_visible()
    faults = faults_in_all_looks(page, "faults of a plan")
    assert not faults, "\n".join(faults)


def test_a_promotion_beside_a_rollout_ends_it_only_if_that_is_chosen(
    anyone: Visitor, registry: Registry, rents: str
) -> None:
    steps = [{"weight": 5, "minutes": 10}, {"weight": 100}]
    registry.start_rollout(rents, 4, {"steps": steps}, reason="smaller error")
    page = anyone.page
    page.goto(f"/console/models/{rents}/3/promote")
    page.get_by_label("Why?").fill("urgent")
    page.get_by_role("button", name="Promote v3").click()
    expect(page.get_by_label("End the split of production")).to_be_visible()
    assert registry.rollout(rents)["state"] == "running"

    page.get_by_label("End the split of production").check()
    page.get_by_role("button", name="Promote v3").click()
    expect(page.get_by_role("region", name="Live in production")).to_contain_text("v3")
    assert registry.rollout(rents)["state"] == "ended"
