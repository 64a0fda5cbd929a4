"""Trying a version: the form of one row, pasted rows, and a file."""

import csv
import io
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from hotswap import Registry
from tests.browser.conftest import VisitorMaker
from tests.browser.stock import flats
from tests.browser.visitor import Visitor
from tests.system.real_server import Server

ROW = {"area": 70.0, "rooms": 3, "furnished": False, "district": "Hafen"}
TRY = "/console/models/rents/2/try"


def answer(page: Page) -> Locator:
    return page.get_by_role("region", name="Answer", exact=True)


def type_row(page: Page, row: dict[str, object]) -> None:
    page.get_by_label("area", exact=True).fill(str(row["area"]))
    page.get_by_label("rooms", exact=True).fill(str(row["rooms"]))
    page.get_by_label("furnished").select_option(str(row["furnished"]).lower())
    page.get_by_label("district").fill(str(row["district"]))


def shown(value: float) -> str:
    """A prediction as pages write it."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def test_the_answer_is_the_one_that_programs_get(anyone: Visitor, registry: Registry) -> None:
    expected = registry.predict("rents", ROW, version=2)["prediction"]
    page = anyone.page
    page.goto(TRY)
    type_row(page, ROW)
    page.get_by_role("button", name="Predict").click()

    big = answer(page).locator(".big")
    expect(big).to_have_attribute("title", re.compile(re.escape(f"{expected:.6f}"[:6])))


def test_the_answer_follows_what_is_typed_and_the_focus_stays(
    admin: Visitor, registry: Registry
) -> None:
    page = admin.page
    page.goto(TRY)
    expect(answer(page)).to_be_visible()  # the example is answered without a key
    area = page.get_by_label("area", exact=True)
    for typed in ("50", "120"):
        area.press("Control+a")
        area.press_sequentially(typed)
        record = {**_shown_row(page), "area": float(typed)}
        value = registry.predict("rents", record, version=2)["prediction"]
        expect(answer(page).locator(".big")).to_have_attribute(
            "title", re.compile(re.escape(f"{value:.6f}"[:6]))
        )
        expect(area).to_be_focused()
        expect(area).to_have_value(typed)


def _shown_row(page: Page) -> dict[str, object]:
    return {
        "area": float(page.get_by_label("area", exact=True).input_value()),
        "rooms": int(page.get_by_label("rooms", exact=True).input_value()),
        "furnished": page.get_by_label("furnished").input_value() == "true",
        "district": page.get_by_label("district").input_value(),
    }


def test_a_form_without_an_example_waits_for_values(admin: Visitor) -> None:
    page = admin.page
    page.goto("/console/models/quiet/1/try")
    expect(page.get_by_text("The answer appears here.")).to_be_visible()

    page.get_by_role("textbox").first.fill("2")
    expect(answer(page)).to_be_visible()


def test_another_version_answers_beside_it(anyone: Visitor) -> None:
    page = anyone.page
    page.goto(TRY)
    page.get_by_label("Also ask").select_option("4")
    page.get_by_role("button", name="Predict").click()

    expect(answer(page)).to_contain_text("v2 answers")
    expect(answer(page)).to_contain_text("v4 answers")


def test_what_if_draws_the_chosen_column(anyone: Visitor) -> None:
    page = anyone.page
    page.goto(TRY)
    page.get_by_role("button", name="Predict").click()
    what_if = page.get_by_role("region", name="What if")
    expect(what_if.get_by_role("img")).to_be_visible()

    what_if.get_by_label("What if").select_option("district")
    page.get_by_role("button", name="Predict").click()

    values = what_if.get_by_role("list", name="Answer for each value")
    for district in ("Altstadt", "Hafen", "Westend"):
        expect(values).to_contain_text(district)


def test_values_that_training_never_saw_are_pointed_out(anyone: Visitor) -> None:
    page = anyone.page
    page.goto(TRY)
    type_row(page, {**ROW, "area": 900, "district": "Moon"})
    page.get_by_role("button", name="Predict").click()

    outside = page.get_by_role("region", name="Outside of training")
    expect(outside).to_contain_text("area")
    expect(outside).to_contain_text("district")


def test_faults_are_at_their_fields(anyone: Visitor) -> None:
    page = anyone.page
    page.goto(TRY)
    anyone.expect_status(422)
    page.get_by_label("rooms", exact=True).fill("many")
    page.get_by_role("button", name="Predict").click()

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("1 value cannot be used.")
    expect(alert).to_be_focused()
    rooms = page.get_by_label("rooms", exact=True)
    expect(rooms).to_have_attribute("aria-invalid", "true")
    expect(rooms).to_have_value("many")
    alert.get_by_role("link", name="rooms").click()
    expect(rooms).to_be_focused()


def test_classes_have_bars(anyone: Visitor) -> None:
    page = anyone.page
    page.goto("/console/models/species/1/try")
    page.get_by_role("button", name="Predict").click()

    bars = (
        answer(page).get_by_role("list", name="Probability of each class").get_by_role("listitem")
    )
    expect(bars).to_have_count(3)


def test_a_program_that_is_shown_makes_the_same_request(
    admin: Visitor, server: Server, registry: Registry
) -> None:
    admin.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = admin.page
    page.goto(TRY)
    page.get_by_text("Call it from a program").click()
    page.get_by_role("region", name="Call it").get_by_role("button", name="Copy").first.click()

    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f"{server.url}/models/rents/2/predict" in copied


def test_rows_of_a_spreadsheet_are_pasted(anyone: Visitor, registry: Registry) -> None:
    frame = flats(seed=9, rows=3).drop(columns="rent")
    expected = registry.predict("rents", frame, version=2)["predictions"]
    page = anyone.page
    page.goto(f"{TRY}?tab=rows")
    page.get_by_role("textbox", name="Rows").fill(frame.to_csv(index=False, sep="\t"))
    page.get_by_role("button", name="Predict", exact=True).click()

    table = page.get_by_role("region", name="Rows").get_by_role("table")
    expect(table.get_by_role("row")).to_have_count(4)

    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    lines = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert [float(line["prediction"]) for line in lines] == pytest.approx(expected, rel=1e-12)
    expect(page.get_by_role("textbox", name="Rows")).not_to_have_value("")


def test_a_wrong_cell_is_marked(anyone: Visitor) -> None:
    page = anyone.page
    page.goto(f"{TRY}?tab=rows")
    anyone.expect_status(422)
    page.get_by_role("textbox", name="Rows").fill(
        "area\trooms\tfurnished\tdistrict\n70\t3\ttrue\tHafen\n80\tmany\ttrue\tHafen\n"
    )
    page.get_by_role("button", name="Predict", exact=True).click()

    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.locator("td.wrong")).to_have_count(1)
    expect(page.locator("td.wrong")).to_contain_text("many")


def test_a_file_comes_back_with_its_predictions(anyone: Visitor, registry: Registry) -> None:
    frame = flats(seed=11, rows=50).drop(columns="rent")
    expected = registry.predict("rents", frame, version=2)["predictions"]
    page = anyone.page
    page.goto(f"{TRY}?tab=file")
    page.get_by_label("A file of rows").set_input_files(
        {"name": "flats.csv", "mimeType": "text/csv", "buffer": frame.to_csv(index=False).encode()}
    )
    with page.expect_download() as download:
        page.get_by_role("button", name="Predict and download").click()

    lines = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert [float(line["prediction"]) for line in lines] == pytest.approx(expected, rel=1e-12)
    assert [float(line["area"]) for line in lines] == list(frame["area"])


def test_a_file_that_cannot_be_read_is_refused_in_words(anyone: Visitor) -> None:
    page = anyone.page
    page.goto(f"{TRY}?tab=file")
    anyone.expect_status(422)
    page.get_by_label("A file of rows").set_input_files(
        {"name": "flats.csv", "mimeType": "text/csv", "buffer": b"area,rooms\n1,2\n"}
    )
    page.get_by_role("button", name="Predict and download").click()

    expect(page.get_by_role("alert")).to_contain_text("furnished")
    expect(page.get_by_role("alert")).to_be_focused()


def test_without_the_scope_there_is_nothing_to_try(visit: VisitorMaker, registry: Registry) -> None:
    reader = visit(registry.create_token("reader", ["upload"])["token"])
    reader.page.goto("/console/models/rents")
    expect(reader.page.get_by_role("heading", level=1, name="rents")).to_be_visible()
    expect(reader.page.get_by_role("link", name="Try")).to_have_count(0)
