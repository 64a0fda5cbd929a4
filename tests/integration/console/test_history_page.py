"""The history of all models, and its files."""

import csv
import io
import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from registry.storage.tables import HistoryCheckRow
from tests.integration.api.conftest import new_name
from tests.integration.console.browser import Browser
from tests.integration.console.conftest import Console, ConsoleMaker


def exported(browser: Browser, **query: str) -> list[dict[str, str]]:
    """The rows of the CSV file."""
    page = browser.get("/console/history/export", query_string={"format": "csv", **query})
    assert page.response.mimetype == "text/csv"
    return list(csv.DictReader(io.StringIO(page.html)))


def test_events_of_all_models_are_told_with_their_reasons(console: Console, housing: str) -> None:
    page = console.admin.get("/console/history", query_string={"model": housing})
    assert f"{housing} · Rolled back production from v3 to v2" in page.text
    assert "it was slow" in page.text
    assert f"{housing} · v4 uploaded" in page.text
    assert f"/console/models/{housing}" in page.hrefs()
    assert page.text.index("Rolled back") < page.text.index("v4 uploaded")


def test_events_of_tokens_are_shown_to_admins_alone(console: Console, housing: str) -> None:
    person = console.person("promote", name="ann-of-history")
    query = {"type": "token_created"}
    assert (
        "Token ann-of-history created"
        in console.admin.get("/console/history", query_string=query).text
    )
    assert "No event matches" in person.get("/console/history", query_string=query).text


def test_models_that_the_token_does_not_cover_do_not_exist(console: Console, housing: str) -> None:
    stranger = console.person("promote", models=["nothing-*"])
    assert "Nothing has happened yet" in stranger.get("/console/history").text
    assert exported(stranger) == []


def test_the_filter_is_in_the_address_and_in_its_fields(console: Console, housing: str) -> None:
    query = {"model": housing, "type": "promoted", "from": "2020-01-31", "to": "2100-12-31"}
    page = console.admin.get("/console/history", query_string=query)
    form = page.form("/console/history")
    assert {name: form.values[name] for name in ("model", "from", "to")} == {
        "model": housing,
        "from": "2020-01-31",
        "to": "2100-12-31",
    }
    assert page.text.count("promoted to production") == 3
    assert "uploaded" not in page.text
    files = [href for href in page.hrefs() if href.startswith("/console/history/export")]
    assert [len(console.admin.get(href).html.splitlines()) for href in files] == [4, 5]


def test_a_day_is_selected_whole(console: Console, housing: str) -> None:
    shown = console.admin.get("/console/history", query_string={"model": housing})
    (today,) = [given["datetime"] for given in shown.of("time") if len(given["datetime"]) == 10]
    for query in ({"from": today}, {"to": today}):
        page = console.admin.get("/console/history", query_string={"model": housing, **query})
        assert "v1 uploaded" in page.text


def test_older_events_are_on_the_next_page(make_console: ConsoleMaker) -> None:
    console = make_console()
    for number in range(60):
        console.service.admin.post("/models", json={"name": f"m-{number:02}"})
    page = console.admin.get("/console/history?type=model_created&model=")
    (older,) = [href for href in page.hrefs() if "before=" in href]
    assert older.startswith("/console/history?before=")
    second = console.admin.get(older)
    assert ("m-10 " in page.text, "m-09 " in page.text) == (True, False)
    assert ("m-10 " in second.text, "m-09 " in second.text) == (False, True)
    assert "/console/history?type=model_created" in second.hrefs()


def test_results_of_gates_are_folded_into_their_promotion(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name, admin = new_name(), console.service.admin
    admin.upload(name, artifacts["line-1"], {"kind": "linear", "metrics": {"rmse": 3.0}})
    admin.put(f"/models/{name}/policy", json={"gates": ["rmse <= 1", "rmse <= 4"]})
    admin.promote(name, 1, reason="the old one is down", force=True)
    page = console.admin.get("/console/history", query_string={"model": name, "type": "promoted"})
    assert "forced" in page.text
    assert "1 of 2 gates passed" in page.text
    assert "failed rmse <= 1" in page.text


@pytest.mark.parametrize("format_", ["csv", "json"])
def test_files_have_all_events_of_the_filter(console: Console, housing: str, format_: str) -> None:
    query = {"format": format_, "model": housing, "type": "promoted"}
    page = console.admin.get("/console/history/export", query_string=query)
    if format_ == "csv":
        events = list(csv.DictReader(io.StringIO(page.html)))
    else:
        events = json.loads(page.html)
    assert [str(event["to_version"]) for event in events] == ["3", "2", "1"]
    assert [event["reason"] for event in events] == ["reason 3", "reason 2", "reason 1"]
    assert f'filename="history.{format_}"' in page.response.headers["Content-Disposition"]


def test_a_spreadsheet_calculates_nothing_that_somebody_wrote(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name, admin = new_name(), console.service.admin
    reasons = ["=HYPERLINK(A1)", "\n=1+1", "\N{FULLWIDTH EQUALS SIGN}1+1"]
    admin.upload(name, artifacts["line-1"], {"kind": "linear"})
    for alias, reason in zip("abc", reasons, strict=True):
        admin.promote(name, 1, alias=alias, reason=reason)
    rows = exported(console.admin, model=name, type="promoted")
    assert [row["reason"] for row in rows] == [f"'{reason}" for reason in reversed(reasons)]


@pytest.mark.parametrize("query", ["from=yesterday", "before=x", "type=renamed", "actor=%00"])
def test_a_filter_that_cannot_be_read_is_said(console: Console, query: str) -> None:
    page = console.admin.get(f"/console/history?{query}")
    assert page.status == 400
    assert query.partition("=")[0] in page.text


def test_an_admin_verifies_the_chain_and_everybody_sees_the_outcome(
    make_console: ConsoleMaker,
) -> None:
    console = make_console()
    admin, person = console.admin, console.person("predict")
    page = admin.get("/console/history")
    assert "Chain not verified yet" in page.text
    answer = admin.submit(page.form("/console/history/verify"))
    assert (answer.status, answer.location) == (303, "/console/history")
    shown = person.get("/console/history")
    assert "Chain verified to event 2" in shown.text
    assert "/console/history/verify" not in [form.action for form in shown.forms]
    assert person.post("/console/history/verify").status == 403


def test_the_page_says_when_new_events_and_when_all_events_were_verified(
    make_console: ConsoleMaker,
) -> None:
    console = make_console()
    console.service.services.housekeeping.look()
    page = console.admin.get("/console/history")
    assert "Chain verified to event 1" in page.text
    assert "all of it" not in page.text
    with console.service.services.database.write() as session:
        check = session.get(HistoryCheckRow, 1)
        check.at -= timedelta(hours=1)
        check.whole_at -= timedelta(hours=5)
    console.service.admin.post("/models", json={"name": "newer"})

    console.service.services.housekeeping.look()

    text = console.admin.get("/console/history").text
    assert "Chain verified to event 2" in text
    assert "all of it" in text


def test_a_broken_chain_is_said_on_every_page_of_an_admin(make_console: ConsoleMaker) -> None:
    console = make_console()
    admin, person = console.admin, console.person("predict")
    with console.service.services.database.write() as session:
        session.execute(text("UPDATE history SET actor = 'eve' WHERE seq = 1"))
    assert admin.post("/console/history/verify").status == 303
    assert "Broken at event 1" in person.get("/console/history").text
    assert "The history is broken at event 1" in admin.get("/console/models").text
    assert "The history is broken" not in person.get("/console/models").text
