"""What happens elsewhere is on every page within seconds, and asking for it costs little."""

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


@pytest.fixture
def name(console: Console, artifacts: dict[str, bytes]) -> str:
    """A model with two versions, the first of them live."""
    name, admin = new_name(), console.service.admin
    for slope in (1, 2):
        metadata = {"kind": "linear", "metrics": {"rmse": 10.0}}
        assert admin.upload(name, artifacts[f"line-{slope}"], metadata).status_code == 201
    assert admin.promote(name, 1).status_code == 200
    return name


def promote(console: Console, name: str) -> None:
    """What somebody else does meanwhile."""
    answer = console.service.admin.promote(name, 2, reason="because of a test")
    assert answer.status_code == 200, answer.text


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
def test_a_page_that_is_read_shows_what_changes(console: Console, name: str, path: str) -> None:
    browser = console.admin
    address = path.format(name=name)
    page = browser.get(address)
    assert page.response.headers["Cache-Control"] == "no-store"
    asked = polled(page)["models" if path == "/console/models" else "live"]
    assert asked == address
    before = browser.fragment(asked)
    assert before.of("html") == before.of("main") == []
    assert "HX-Request" in before.response.headers["Vary"]

    promote(console, name)

    tag = before.response.headers["ETag"]
    after = browser.fragment(asked, headers={"If-None-Match": tag})
    assert after.status == 200
    assert LIVE[path].format(name=name) in after.text
    assert polled(after).items() >= {
        (key, asked) for key in ("models", "live") if key in polled(after)
    }


@pytest.mark.parametrize("path", FORMS)
def test_a_page_with_a_form_says_what_happened_and_keeps_the_form(
    console: Console, name: str, path: str
) -> None:
    browser = console.admin
    page = browser.get(path.format(name=name))
    assert set(polled(page)) == {"alarm", "news"}
    asked = polled(page)["news"]
    tag = unchanged(browser, asked)
    assert browser.fragment(asked).text == ""

    promote(console, name)

    news = browser.fragment(asked, headers={"If-None-Match": tag})
    assert "v2 promoted to production" in news.text or "v2 became live" in news.text, news.text
    assert "because of a test" in news.text
    assert news.forms == []
    assert polled(news) == {"news": asked}
    assert browser.fragment(polled(browser.get(path.format(name=name)))["news"]).text == ""


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
    console: Console, name: str, artifacts: dict[str, bytes]
) -> None:
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
