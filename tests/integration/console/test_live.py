"""What happens elsewhere is on every page within seconds, and asking for it costs little."""

from typing import NamedTuple

import pytest

from registry.storage.tables import HistoryCheckRow, utc_now
from tests.integration.api.conftest import new_name
from tests.integration.console.browser import Browser, Page
from tests.integration.console.conftest import Console, ConsoleMaker

LIVE = {
    "/console/models": "v2 linear",
    "/console/models/{name}": "Live in production v2",
    "/console/models/{name}/2": "live in production",
    "/console/models/{name}/compare?v=1,2": "v2 linear live",
    "/console/history?model={name}": "because of a test",
    "/console/health": "{name} v2",
}
"""Pages that are only read, and what they show after the promotion of version 2."""
FORMS = (
    "/console/models/{name}/2/promote",
    "/console/models/{name}/rollback",
    "/console/models/{name}/gates",
    "/console/models/{name}/2/archive",
    "/console/models/{name}/1/try",
    "/console/models/{name}/1/try?tab=rows",
    "/console/models/{name}/1/try?tab=file",
)
"""Pages with a form: they say what happened, and stay as they are."""
OTHERS = ("/console/tokens", "/console/tokens/new", "/console/models/{name}/upload")


class Visit(NamedTuple):
    """A page, what it asks for again, and the answer to that before and after a promotion."""

    page: Page
    address: str
    before: Page
    after: Page


def add_model(console: Console, artifacts: dict[str, bytes]) -> str:
    """A model with two versions, the first of them live."""
    name, admin = new_name(), console.service.admin
    for slope in (1, 2):
        metadata = {"kind": "linear", "metrics": {"rmse": 10.0}}
        assert admin.upload(name, artifacts[f"line-{slope}"], metadata).status_code == 201
    assert admin.promote(name, 1).status_code == 200
    return name


@pytest.fixture(scope="module")
def name(console: Console, artifacts: dict[str, bytes]) -> str:
    """A model that is only looked at."""
    return add_model(console, artifacts)


@pytest.fixture(scope="module")
def visits(console: Console, artifacts: dict[str, bytes]) -> dict[str, Visit]:
    """Visits to the pages of a model, of which somebody else promotes version 2 meanwhile."""
    name, browser = add_model(console, artifacts), console.admin
    opened = {}
    for path in (*LIVE, *FORMS):
        page = browser.get(path.format(name=name))
        asked = polled(page)
        (address,) = (asked[key] for key in ("live", "models", "news") if key in asked)
        opened[path] = page, address, browser.fragment(address)
    promoted = console.service.admin.promote(name, 2, reason="because of a test")
    assert promoted.status_code == 200, promoted.text
    found = {}
    for path, (page, address, before) in opened.items():
        tag = before.response.headers["ETag"]
        after = browser.fragment(address, headers={"If-None-Match": tag})
        found[path] = Visit(page, address, before, after)
    return found


def polled(page: Page) -> dict[str, str]:
    """The addresses that the page asks for again and again, by the id of what they replace."""
    found = {}
    for _, given in page.elements:
        if given.get("hx-trigger") == "tick from:body":
            assert given["hx-swap"] == "outerMorph"
            found[given["id"]] = given["hx-get"]
    return found


def unchanged(browser: Browser, address: str) -> str:
    """The tag with which the address was answered with 304."""
    tag = browser.fragment(address).response.headers["ETag"]
    for _ in range(20):  # the minute may change, or a worker's report
        again = browser.fragment(address, headers={"If-None-Match": tag})
        if again.status == 304:
            assert again.html == ""
            return tag
        tag = again.response.headers["ETag"]
    raise AssertionError(f"{address} is never answered with 304")


@pytest.mark.parametrize("path", LIVE)
def test_a_page_that_is_read_shows_what_changes(visits: dict[str, Visit], path: str) -> None:
    page, address, before, after = visits[path]
    name = visits["/console/models/{name}"].address.rpartition("/")[2]
    assert page.response.headers["Cache-Control"] == "no-store"
    assert address == path.format(name=name)
    assert before.of("html") == before.of("main") == []
    assert "HX-Request" in before.response.headers["Vary"]
    assert after.status == 200
    assert LIVE[path].format(name=name) in after.text
    assert LIVE[path].format(name=name) not in before.text
    assert address in polled(after).values()


@pytest.mark.parametrize("path", FORMS)
def test_a_page_with_a_form_says_what_happened_and_keeps_the_form(
    visits: dict[str, Visit], path: str
) -> None:
    page, address, before, after = visits[path]
    assert set(polled(page)) == {"alarm", "news"}
    assert before.text == ""
    assert "v2 promoted to production" in after.text
    assert "because of a test" in after.text
    assert after.forms == []
    assert polled(after) == {"news": address}


def test_a_page_that_is_loaded_again_has_no_news(console: Console, name: str) -> None:
    asked = polled(console.admin.get(f"/console/models/{name}/gates"))
    assert console.admin.fragment(asked["news"]).text == ""
    unchanged(console.admin, asked["news"])


@pytest.mark.parametrize("path", [*LIVE, *FORMS, *OTHERS, "/console/models/none"])
def test_every_page_asks_for_the_state_of_the_service(
    console: Console, name: str, path: str
) -> None:
    browser = console.admin
    asked = polled(browser.get(path.format(name=name)))
    unchanged(browser, asked["alarm"])
    state = browser.fragment(asked["alarm"])
    (word,) = [given for given in state.of("a") if given.get("id") == "health"]
    assert word["hx-swap-oob"] == "outerMorph"


@pytest.mark.parametrize(
    "path", ["/console/models", "/console/models/{name}", "/console/history", "/console/tokens"]
)
def test_what_is_unchanged_is_not_sent_again(console: Console, name: str, path: str) -> None:
    browser = console.admin
    address = path.format(name=name)
    tag = unchanged(browser, address)
    assert browser.get(address, headers={"If-None-Match": tag}).status == 200  # the page itself
    other = console.person("admin").fragment(address, headers={"If-None-Match": tag})
    assert other.status == 200


def test_a_new_version_and_a_new_token_appear(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name = add_model(console, artifacts)
    browser, model = console.admin, f"/console/models/{name}"
    tags = {path: unchanged(browser, path) for path in (model, "/console/tokens")}
    assert console.service.admin.upload(name, artifacts["line-3"]).status_code == 201
    made = console.token("predict", name="made-elsewhere")

    found = {path: browser.fragment(path, headers={"If-None-Match": tags[path]}) for path in tags}

    rows = [given.get("id") for given in found[model].of("tr")]
    assert rows[-3:] == ["v3", "v2", "v1"]  # by which what is checked stays with its version
    assert "3 versions" in found[model].text
    assert f"token-{made['id']}" in [given.get("id") for given in found["/console/tokens"].of("tr")]


def test_what_is_being_edited_is_left_alone(console: Console, name: str) -> None:
    page = console.admin.get(f"/console/models/{name}/1")
    (form,) = [given for given in page.of("form") if given["action"].endswith("/describe")]
    assert "hx-morph-skip" in form


def test_the_list_says_how_many_models_there_are(console: Console, name: str) -> None:
    page, fragment = console.admin.get("/console/models"), console.admin.fragment("/console/models")
    words = [
        given.get("hx-swap-oob")
        for one in (page, fragment)
        for given in one.of("p")
        if given.get("id") == "count"
    ]
    assert words == [None, "outerMorph"]


def test_a_broken_history_is_an_alarm_on_every_open_page_of_an_admin(
    make_console: ConsoleMaker,
) -> None:
    console = make_console()
    admin, other = console.admin, console.person("predict")
    tags = [unchanged(browser, "/console/health/state") for browser in (admin, other)]
    with console.service.services.database.write() as session:
        session.merge(HistoryCheckRow(id=1, at=utc_now(), seq=0, broken_seq=1))

    alarms = [
        browser.fragment("/console/health/state", headers={"If-None-Match": tag})
        for browser, tag in zip((admin, other), tags, strict=True)
    ]

    assert "The history is broken at event 1" in alarms[0].text
    assert "broken" not in alarms[1].text
