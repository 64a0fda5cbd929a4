"""The pages that forms lead to: answers, faults, conflicts. Light and dark, wide and on a phone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from hotswap import Registry
from tests.browser.conftest import VisitorMaker
from tests.browser.looks import faults_in_all_looks
from tests.browser.stock import flats
from tests.browser.visitor import Visitor
from tests.integration.console.conftest import HOSTILE
from tests.system.real_server import BIN, free_port, running


def answered(visitor: Visitor, registry: Registry) -> None:
    visitor.page.goto("/console/models/rents/2/try")
    visitor.page.get_by_label("Also ask").select_option("4")
    visitor.page.get_by_label("area", exact=True).fill("900")
    visitor.page.get_by_text("Call it from a program").click()
    visitor.page.get_by_role("button", name="Predict").click()
    expect(visitor.page.get_by_role("region", name="Outside of training")).to_be_visible()
    expect(visitor.page.get_by_text("v4 answers")).to_be_visible()


def answered_with_hostile_text(visitor: Visitor, registry: Registry) -> None:
    visitor.page.goto("/console/models/hostile/2/try")
    visitor.page.get_by_label("d", exact=True).fill(HOSTILE)
    visitor.page.get_by_role("button", name="Predict").click()
    expect(visitor.page.get_by_role("region", name="Answer", exact=True)).to_be_visible()


def faults_of_a_row(visitor: Visitor, registry: Registry) -> None:
    visitor.page.goto("/console/models/rents/2/try")
    for label in ("area", "rooms"):
        visitor.page.get_by_label(label, exact=True).fill(HOSTILE)
    visitor.page.get_by_role("button", name="Predict").click()
    expect(visitor.page.get_by_role("alert")).to_contain_text("2 values cannot be used.")


def pasted_rows(visitor: Visitor, registry: Registry) -> None:
    visitor.page.goto("/console/models/rents/2/try?tab=rows")
    rows = flats(seed=9, rows=120).assign(note=HOSTILE).to_csv(index=False, sep="\t")
    visitor.page.get_by_role("textbox", name="Rows").fill(rows)
    visitor.page.get_by_role("button", name="Predict", exact=True).click()
    expect(visitor.page.get_by_role("region", name="Rows")).to_be_visible()


def pasted_rows_with_faults(visitor: Visitor, registry: Registry) -> None:
    visitor.expect_status(422)
    visitor.page.goto("/console/models/rents/2/try?tab=rows")
    visitor.page.get_by_role("textbox", name="Rows").fill(
        f"area\trooms\tfurnished\tdistrict\n{HOSTILE}\t3\ttrue\tHafen\n80\t3.5\tno\t{HOSTILE}\n"
    )
    visitor.page.get_by_role("button", name="Predict", exact=True).click()
    expect(visitor.page.locator("td.wrong").first).to_be_visible()


def promotion_without_a_reason(visitor: Visitor, registry: Registry) -> None:
    visitor.expect_status(422)
    visitor.page.goto("/console/models/rents/4/promote")
    visitor.page.get_by_label("Why?").fill(" ")
    visitor.page.get_by_role("button", name="Promote v4").click()
    expect(visitor.page.get_by_role("alert")).to_be_visible()


def promotion_after_somebody_elses(visitor: Visitor, registry: Registry) -> None:
    visitor.expect_status(409)
    visitor.page.goto("/console/models/hostile/1/promote")
    visitor.page.get_by_label("Why?").fill(HOSTILE)
    registry.promote("hostile", 1, reason=HOSTILE)
    registry.promote("hostile", 2, reason=HOSTILE)
    registry.promote("hostile", 1, alias="shadow", reason=HOSTILE)
    registry.rollback("hostile", reason=HOSTILE)
    visitor.page.get_by_role("button", name="Promote v1").click()
    expect(visitor.page.locator("main")).to_contain_text("v1")
    expect(visitor.page.locator("main .notice").first).to_be_visible()


def promotion_through_a_shut_gate(visitor: Visitor, registry: Registry) -> None:
    registry.set_policy("busy", ["rmse <= champion * 0.1", "r2 >= 0.99"])
    registry.evaluate("busy", 50)
    visitor.page.goto("/console/models/busy/50/promote")
    visitor.page.get_by_text("Promote all the same…").click()
    expect(visitor.page.get_by_label("Type the name of the model")).to_be_visible()


def gates_with_faults(visitor: Visitor, registry: Registry) -> None:
    visitor.expect_status(400, 422)
    visitor.page.goto("/console/models/rents/gates")
    visitor.page.get_by_label("Change them").fill(f"r2 >= 0.2\n{HOSTILE}")
    visitor.page.get_by_role("button", name="Change the gates").click()
    expect(visitor.page.get_by_role("alert")).to_be_visible()


def gates_tried_out(visitor: Visitor, registry: Registry) -> None:
    visitor.page.goto("/console/models/rents/gates")
    visitor.page.get_by_label("Change them").fill("r2 >= 0.2\nrmse <= 1")
    visitor.page.get_by_role("button", name="Would").click()
    expect(visitor.page.get_by_text("v4 would not pass.")).to_be_visible()


def refused_upload(visitor: Visitor, registry: Registry) -> None:
    visitor.expect_status(422)
    visitor.page.goto("/console/models/rents/upload")
    visitor.page.get_by_label("Model file").set_input_files(
        {"name": "x.skops", "mimeType": "application/zip", "buffer": b"not a model"}
    )
    visitor.page.get_by_label("Description").fill(HOSTILE)
    visitor.page.get_by_role("button", name="Upload").click()
    expect(visitor.page.get_by_role("alert")).to_be_visible()


def token_made(visitor: Visitor, registry: Registry) -> None:
    visitor.page.goto("/console/tokens/new")
    visitor.page.get_by_role("textbox", name="Name as it stands").fill(HOSTILE)
    visitor.page.get_by_label("promote").check()
    visitor.page.get_by_role("textbox", name="Models").press_sequentially("re")
    visitor.page.get_by_role("textbox", name="Models").press_sequentially("nt*")
    expect(visitor.page.locator("#matches")).to_have_text("matches 1 of 10 models")
    visitor.page.get_by_role("button", name="Make the token").click()
    expect(visitor.page.get_by_role("textbox", name="Token")).to_be_visible()


def token_with_faults(visitor: Visitor, registry: Registry) -> None:
    visitor.expect_status(422)
    visitor.page.goto("/console/tokens/new")
    visitor.page.get_by_role("textbox", name="Name as it stands").fill(HOSTILE)
    visitor.page.get_by_role("button", name="Make the token").click()
    expect(visitor.page.get_by_role("alert")).to_be_visible()


def wrong_token(visitor: Visitor, registry: Registry) -> None:
    visitor.expect_status(401)
    visitor.context.clear_cookies()
    visitor.page.goto("/console/login?next=/console/history")
    visitor.page.get_by_label("Token").fill(HOSTILE)
    visitor.page.get_by_role("button", name="Sign in").click()
    expect(visitor.page.get_by_role("alert")).to_be_visible()


def form_kept_at_the_end_of_a_session(visitor: Visitor, registry: Registry) -> None:
    visitor.expect_status(401)
    visitor.page.goto("/console/models/hostile/2/promote")
    visitor.page.get_by_label("Why?").fill(HOSTILE)
    visitor.context.clear_cookies()
    visitor.page.get_by_role("button", name="Promote v2").click()
    expect(visitor.page.get_by_text("What you typed is kept")).to_be_visible()


def form_to_be_sent_again(visitor: Visitor, registry: Registry) -> None:
    form_kept_at_the_end_of_a_session(visitor, registry)
    visitor.page.get_by_label("Token").fill(registry.token or "")
    visitor.page.get_by_role("button", name="Sign in").click()
    expect(visitor.page.get_by_role("button", name="Send again")).to_be_visible()


def menu_of_the_token(visitor: Visitor, registry: Registry) -> None:
    visitor.page.goto("/console/models")
    visitor.page.locator("details.who summary").click()
    expect(visitor.page.get_by_role("button", name="Sign out", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    "lead",
    [
        answered,
        answered_with_hostile_text,
        faults_of_a_row,
        pasted_rows,
        pasted_rows_with_faults,
        promotion_without_a_reason,
        promotion_after_somebody_elses,
        promotion_through_a_shut_gate,
        gates_with_faults,
        gates_tried_out,
        refused_upload,
        token_made,
        token_with_faults,
        wrong_token,
        form_kept_at_the_end_of_a_session,
        form_to_be_sent_again,
        menu_of_the_token,
    ],
    ids=lambda one: one.__name__,
)
def test_a_page_after_a_form(
    admin: Visitor, registry: Registry, lead: Callable[[Visitor, Registry], None]
) -> None:
    lead(admin, registry)
    faults = faults_in_all_looks(admin.page, f"after {lead.__name__}")
    assert not faults, "\n".join(faults)


def test_pages_when_there_were_too_many_requests(
    visit: VisitorMaker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path_factory.mktemp("limited") / "data"
    command = [BIN / "hotswap", "serve", "--workers", "1"]
    with running(command, data, free_port(), HOTSWAP_AUTH_FAILURES="1") as limited:
        stranger = visit(server=limited)
        stranger.expect_status(401, 429)
        for _ in range(2):
            stranger.page.goto("/console/login")
            stranger.page.get_by_label("Token").fill("hsw_wrong")
            stranger.page.get_by_role("button", name="Sign in").click()
            expect(stranger.page.get_by_role("alert")).to_be_visible()
        faults = faults_in_all_looks(stranger.page, "after too many wrong tokens")
        assert not faults, "\n".join(faults)
        stranger.context.close()
