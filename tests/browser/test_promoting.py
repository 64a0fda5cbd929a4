"""Promoting and rolling back when something stands in the way: somebody else, a gate, nothing."""

import pytest
from playwright.sync_api import expect

from hotswap import Registry
from tests.browser.stock import GATES, add_rents
from tests.browser.visitor import Visitor

LOSING = "rmse <= champion * 0.5"
"""A gate that version 4 of the rents cannot pass."""


@pytest.fixture(scope="module")
def rents(registry: Registry) -> str:
    """Version 2 is live, 4 waits; nothing that a test here does changes that."""
    name = add_rents(registry, "promoting")
    registry.set_policy(name, [LOSING])
    return name


@pytest.fixture
def contested(registry: Registry, fresh_name: str) -> str:
    """A model of this test's own, with the same history."""
    return add_rents(registry, fresh_name)


def test_who_was_faster_is_named_and_nothing_is_sent_again(
    anyone: Visitor, registry: Registry, contested: str
) -> None:
    page = anyone.page
    page.goto(f"/console/models/{contested}/4/promote")
    page.get_by_label("Why?").fill("smaller error")

    made = registry.create_token("ci-nightly", ["promote"])
    with Registry(registry.url, made["token"]) as somebody_else:
        somebody_else.promote(contested, 3, reason="nightly run")
    anyone.expect_status(409)
    page.get_by_role("button", name="Promote v4").click()

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("v3 became live")
    expect(alert).to_contain_text("by ci-nightly")
    expect(alert).to_be_focused()
    expect(page.get_by_label("Why?")).to_have_value("smaller error")
    expect(page.locator("main")).to_contain_text("It takes the place of v3")
    assert registry.model(contested)["aliases"]["production"] == 3

    # Pressed again by hand, it holds for what is shown now.
    page.get_by_role("button", name="Promote v4").click()
    expect(page.get_by_role("region", name="Live in production")).to_contain_text("v4")
    assert registry.model(contested)["aliases"]["production"] == 4


def test_a_rollback_that_somebody_else_made_is_not_made_twice(
    anyone: Visitor, registry: Registry, contested: str
) -> None:
    page = anyone.page
    page.goto(f"/console/models/{contested}/rollback")

    registry.rollback(contested, reason="I was faster")
    anyone.expect_status(409)
    page.get_by_role("button", name="Roll back to v1: errors").click()

    expect(page.get_by_role("alert")).to_contain_text("v1")
    assert registry.model(contested)["aliases"]["production"] == 1


def test_where_a_gate_fails_there_is_no_button_but_reasons(
    anyone: Visitor, registry: Registry, rents: str
) -> None:
    registry.evaluate(rents, 4)
    page = anyone.page
    page.goto(f"/console/models/{rents}/4/promote")

    gates = page.get_by_role("region", name="Gates")
    expect(gates).to_contain_text(LOSING)
    expect(page.locator("main")).to_contain_text("A gate fails: v4 cannot be promoted.")
    expect(page.get_by_role("button", name="Promote v4", exact=True)).to_have_count(0)
    assert registry.model(rents)["aliases"]["production"] == 2


def test_gates_are_evaluated_at_the_press_of_a_button(
    anyone: Visitor, registry: Registry, contested: str
) -> None:
    registry.set_policy(contested, GATES)
    page = anyone.page
    page.goto(f"/console/models/{contested}/4/promote")
    gates = page.get_by_role("region", name="Gates")
    expect(gates).to_contain_text("Not evaluated yet")

    page.get_by_role("button", name="Evaluate them now").click()

    expect(gates).to_contain_text("evaluated")
    expect(gates).not_to_contain_text("Not evaluated yet")
    expect(gates.get_by_role("img", name="passed")).to_have_count(len(GATES))


def test_an_admin_promotes_all_the_same_by_typing_the_name_of_the_model(
    anyone: Visitor, registry: Registry, contested: str
) -> None:
    registry.set_policy(contested, [LOSING])
    registry.evaluate(contested, 4)
    page = anyone.page
    page.goto(f"/console/models/{contested}/4/promote")
    page.get_by_text("Promote all the same…").click()
    force = page.get_by_role("button", name="Promote v4 although a gate fails")

    anyone.expect_status(422)
    page.get_by_label("Why, although a gate fails?").fill("the holdout of the last month is wrong")
    page.get_by_label("Type the name of the model").fill("contested")
    force.click()
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_label("Type the name of the model")).to_have_value("contested")
    assert registry.model(contested)["aliases"]["production"] == 2

    page.get_by_label("Type the name of the model").fill(contested)
    force.click()
    live = page.get_by_role("region", name="Live in production")
    expect(live).to_contain_text("v4")
    expect(live).to_contain_text("forced")
    (event, *_) = registry.history(contested)
    assert event["reason"] == "the holdout of the last month is wrong"
    assert event["details"]["forced"] is True


def test_a_token_that_may_not_promote_sees_no_buttons_for_it(
    visit, registry: Registry, rents: str
) -> None:
    reader = visit(registry.create_token("reader", ["upload"])["token"])
    reader.page.goto(f"/console/models/{rents}")

    expect(reader.page.get_by_role("region", name="Live in production")).to_contain_text("v2")
    expect(reader.page.get_by_role("link", name="Roll back")).to_have_count(0)
    expect(reader.page.get_by_role("link", name="Promote")).to_have_count(0)

    reader.expect_status(403)
    reader.page.goto(f"/console/models/{rents}/4/promote")
    expect(reader.page.locator("main")).to_contain_text("promote")
    expect(reader.page.get_by_text("Request id")).to_be_visible()
