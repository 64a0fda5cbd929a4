"""A model from the sign-in to a rollback, as somebody lives it: with scripts, and without them."""

import re

from playwright.sync_api import Locator, Page, expect

from hotswap import Registry
from tests.browser.conftest import SCRIPTS, VisitorMaker
from tests.browser.stock import add_rents


def live_card(page: Page) -> Locator:
    return page.get_by_role("region", name="Live in production")


@SCRIPTS
def test_a_model_from_sign_in_to_rollback(
    visit: VisitorMaker, registry: Registry, fresh_name: str, scripts: bool
) -> None:
    name = add_rents(registry, fresh_name)
    made = registry.create_token("ann", ["predict", "promote"], kind="person")
    ann = visit(scripts=scripts)
    page = ann.page

    # The address of the service leads a browser to the sign-in page, and that to the models.
    page.goto("/")
    expect(page).to_have_url(re.compile("/console/login"))
    ann.sign_in(made["token"])
    expect(page).to_have_url(re.compile("/console/models$"))

    # Version 2 is live, because somebody went back to it; version 4 waits.
    page.get_by_role("link", name=name, exact=True).click()
    expect(live_card(page)).to_contain_text("v2")
    expect(live_card(page)).to_contain_text("wrong answers for Hafen")

    # Two versions are compared.
    for number in (2, 4):
        page.get_by_label(f"Compare v{number}").check()
    page.get_by_role("button", name="Compare the checked versions").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare v4 and v2")
    expect(page.get_by_role("region", name="Metrics", exact=True)).to_contain_text("95% intervals")
    page.get_by_label("Breadcrumb").get_by_role("link", name=name).click()

    # The newer one is promoted, which takes a reason.
    page.get_by_role("link", name="Review and promote…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Promote v4 to production?")
    expect(page.locator("main")).to_contain_text("It takes the place of v2")
    page.get_by_role("button", name="Promote v4").click()
    assert page.locator("#reason:invalid").count() == 1
    page.get_by_label("Why?").fill("smaller error in every district")
    page.get_by_role("button", name="Promote v4").click()
    expect(page.get_by_role("status").filter(has_text="live")).to_contain_text(
        "v4 is live in production."
    )
    expect(live_card(page)).to_contain_text("smaller error in every district")
    expect(live_card(page)).to_contain_text("ann")
    assert registry.model(name)["aliases"]["production"] == 4

    # The button says what comes back: two presses, the second of which is the reason.
    back = live_card(page).get_by_role("link", name="Roll back to")
    expect(back).to_have_text("Roll back to v2…")
    back.click()
    page.get_by_role("button", name="Roll back to v2: too slow").click()
    expect(live_card(page)).to_contain_text("v2")
    expect(live_card(page)).to_contain_text("Rolled back because")
    expect(live_card(page)).to_contain_text("too slow")
    assert registry.model(name)["aliases"]["production"] == 2

    # The history has both, with who did it and why.
    page.get_by_role("link", name="All of it").click()
    expect(page.locator(".events")).to_contain_text("smaller error in every district")
    events = list(registry.history(name))[:2]
    assert [(one["type"], one["actor"], one["reason"]) for one in events] == [
        ("rolled_back", "ann", "too slow"),
        ("promoted", "ann", "smaller error in every district"),
    ]
