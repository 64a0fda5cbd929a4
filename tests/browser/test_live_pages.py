"""What changes elsewhere is there within ten seconds, without a reload."""

import pytest
from playwright.sync_api import Route, expect

from hotswap import Registry
from tests.browser.stock import add_rents
from tests.browser.visitor import Visitor

TEN_SECONDS = 10_000


@pytest.fixture
def name(registry: Registry, fresh_name: str) -> str:
    """A model of this test's own: version 2 is live."""
    return add_rents(registry, fresh_name)


def test_a_promotion_by_somebody_else_appears_and_the_focus_stays(
    admin: Visitor, registry: Registry, name: str
) -> None:
    page = admin.page
    page.clock.install()  # whose ten seconds need not be waited for
    page.goto(f"/console/models/{name}")
    live = page.get_by_role("region", name="Live in production")
    expect(live).to_contain_text("v2")
    page.evaluate("window.isTheSame = true")
    checked = page.get_by_label("Compare v3")
    checked.check()
    back = live.get_by_role("link", name="Roll back to v1…")
    back.focus()

    registry.promote(name, 4, reason="nightly run")
    page.clock.run_for(TEN_SECONDS)

    expect(live).to_contain_text("v4")
    expect(live).to_contain_text("nightly run")
    expect(page.locator("#announcer")).to_have_text("v4 is live in production")
    expect(live.get_by_role("link", name="Roll back to v2…")).to_be_focused()
    expect(checked).to_be_checked()
    assert page.evaluate("window.isTheSame") is True


def test_what_somebody_types_in_a_list_stays(admin: Visitor, registry: Registry, name: str) -> None:
    page = admin.page
    page.clock.install()
    page.goto(f"/console/models?q={name}")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))
    expect(row).to_contain_text("v2")
    search = page.get_by_role("searchbox", name="Search by name")
    search.press("End")
    search.press_sequentially(" ")

    registry.promote(name, 4, reason="nightly run")
    page.clock.run_for(TEN_SECONDS)

    expect(row).to_contain_text("v4")
    expect(search).to_be_focused()
    expect(search).to_have_value(f"{name} ")


def test_a_form_says_what_happened_meanwhile_and_keeps_what_is_typed(
    admin: Visitor, registry: Registry, name: str
) -> None:
    page = admin.page
    page.clock.install()
    page.goto(f"/console/models/{name}/4/promote")
    reason = page.get_by_label("Why?")
    reason.press_sequentially("smaller err")

    made = registry.create_token("ci-nightly", ["promote"])
    with Registry(registry.url, made["token"]) as somebody_else:
        somebody_else.promote(name, 3, reason="nightly run")
    page.clock.run_for(TEN_SECONDS)

    expect(page.locator("main")).to_contain_text("ci-nightly")
    expect(reason).to_be_focused()
    reason.press_sequentially("or")
    expect(reason).to_have_value("smaller error")


def test_a_page_stays_as_it_is_while_it_asks_for_changes(admin: Visitor, name: str) -> None:
    page = admin.page
    page.clock.install()
    page.goto(f"/console/models/{name}")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(f"**/console/models/{name}*", hold)
    with page.expect_request(f"**/console/models/{name}*"):
        page.clock.run_for(TEN_SECONDS)

    # Neither dimmed nor about to be.
    expect(page.locator("#live")).to_have_css("opacity", "1")
    assert page.evaluate("document.getAnimations().length") == 0

    for request in held:
        request.continue_()


def test_figures_turn_grey_when_the_service_is_not_reached(admin: Visitor, name: str) -> None:
    page = admin.page
    page.clock.install()
    page.goto(f"/console/models/{name}")
    strip = page.locator("#unreachable")
    expect(strip).to_be_hidden()

    admin.expect_message("net::ERR_CONNECTION_REFUSED")
    admin.expect_message("htmx:error: Failed to fetch")
    page.route("**/console/**", lambda route: route.abort("connectionrefused"))
    for _ in range(3):
        with page.expect_event("requestfailed"):
            page.clock.run_for(TEN_SECONDS)
    expect(strip).to_contain_text("Not reached since")

    page.unroute_all()
    page.clock.run_for(TEN_SECONDS)
    expect(strip).to_be_hidden()
