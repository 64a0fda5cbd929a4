"""Rolling back in a browser: two presses, and the reason is one of them."""

import pytest

from tests.integration.api.conftest import new_name
from tests.integration.console.browser import Browser, Page
from tests.integration.console.conftest import Console


def rollback_page(browser: Browser, name: str, **query: object) -> Page:
    return browser.get(f"/console/models/{name}/rollback", query_string=query)


def press(browser: Browser, page: Page, reason: str) -> Page:
    """Press the button of a reason, or type another one and send it."""
    buttons, typed = page.forms[-2:]
    is_button = any(button.get("value") == reason for button in buttons.buttons)
    return browser.submit(buttons if is_button else typed, reason=reason)


def live(console: Console, name: str) -> int:
    return int(console.service.admin.get(f"/models/{name}").json["aliases"]["production"])


def last_event(console: Console, name: str) -> dict[str, object]:
    return dict(console.service.admin.get(f"/models/{name}/history").json["items"][0])


@pytest.fixture(scope="module")
def three_versions(console: Console, artifacts: dict[str, bytes]) -> str:
    name = new_name()
    for number in (1, 2, 3):
        answer = console.service.admin.upload(name, artifacts[f"line-{number}"])
        assert answer.status_code == 201, answer.text
    return name


@pytest.fixture
def lines(console: Console, three_versions: str) -> str:
    """A model whose versions 1, 2 and 3 were promoted in turn."""
    name, admin = three_versions, console.service.admin
    admin.delete(f"/models/{name}/aliases/production")  # and with it what it could go back to
    for number in (1, 2, 3):
        assert admin.promote(name, number, reason=f"reason {number}").status_code == 200
    return name


def test_two_presses_lead_from_the_model_to_the_version_before(
    console: Console, lines: str
) -> None:
    ann = console.person("promote", name="ann")
    model = ann.get(f"/console/models/{lines}")
    (link,) = [href for href in model.hrefs() if "/rollback" in href]
    assert "Roll back to v2…" in model.text
    page = ann.get(link)
    assert "Roll back production to v2?" in page.text
    assert "v3 goes, v2 comes back on every worker at once" in page.text
    assert "was live from" in page.text

    sent = press(ann, page, "errors")
    assert (sent.status, sent.location) == (303, f"/console/models/{lines}?done=1")
    event = last_event(console, lines)
    assert (event["type"], event["actor"]) == ("rolled_back", "ann")
    assert (event["to_version"], event["reason"]) == (2, "errors")
    assert "v2 is live in production" in ann.get(sent.location).text


def test_another_reason_is_typed(console: Console, lines: str) -> None:
    page = rollback_page(console.admin, lines)
    assert press(console.admin, page, "").status == 422
    assert press(console.admin, page, "p99 doubled").status == 303
    assert last_event(console, lines)["reason"] == "p99 doubled"


def test_another_version_of_the_trail_can_be_chosen(console: Console, lines: str) -> None:
    page = rollback_page(console.admin, lines)
    (link,) = [href for href in page.hrefs() if "to=1" in href]
    other = console.admin.get(link)
    assert "Roll back production to v1?" in other.text
    assert press(console.admin, other, "wrong answers").status == 303
    assert live(console, lines) == 1


def test_a_form_that_is_sent_twice_rolls_back_once(console: Console, lines: str) -> None:
    page = rollback_page(console.admin, lines)
    assert press(console.admin, page, "errors").status == 303
    assert press(console.admin, page, "errors").status == 303
    assert live(console, lines) == 2


def test_of_two_people_one_rolls_back_and_the_other_reads_that(
    console: Console, lines: str
) -> None:
    bob = console.person("promote", name="bob")
    page, same = rollback_page(console.admin, lines), rollback_page(bob, lines)
    assert press(bob, same, "too slow").status == 303
    late = press(console.admin, page, "errors")
    assert late.status == 409
    assert "v2 is back in production" in late.text
    assert "by bob while you were reading. There is nothing left to do." in late.text
    assert [form for form in late.forms if "expected_version" in form.values] == []
    assert live(console, lines) == 2


def test_after_another_change_the_page_has_what_is_live_now(console: Console, lines: str) -> None:
    page = rollback_page(console.admin, lines)
    console.service.admin.promote(lines, 1, reason="somebody else")
    late = press(console.admin, page, "p99 doubled")
    assert late.status == 409
    assert "v1 became live in production" in late.text
    assert "v1 goes, v2 comes back" in late.text
    assert late.forms[-1].values["reason"] == "p99 doubled"
    assert live(console, lines) == 1


def test_after_a_change_of_another_alias_the_page_is_shown_again(
    console: Console, lines: str
) -> None:
    page = rollback_page(console.admin, lines)
    console.service.admin.promote(lines, 1, alias="staging")
    late = press(console.admin, page, "errors")
    assert late.status == 409
    assert "one of its aliases was changed in the meantime" in late.text
    assert live(console, lines) == 3
    assert press(console.admin, late, "errors").status == 303
    assert live(console, lines) == 2


def test_a_version_that_cannot_be_loaded_is_named_and_the_next_one_offered(
    console: Console, lines: str
) -> None:
    version = console.service.admin.get(f"/models/{lines}/2").json
    path = console.service.services.blobs.path_of(version["artifact"]["sha256"])
    content = path.read_bytes()
    path.unlink()
    try:
        failed = press(console.admin, rollback_page(console.admin, lines), "errors")
    finally:
        path.write_bytes(content)
    assert failed.status == 409
    assert "v2 cannot come back. Nothing was changed: v3 is still live" in failed.text
    assert "The next one is v1" in failed.text
    assert press(console.admin, failed, "errors").status == 303
    assert live(console, lines) == 1


def test_an_archived_version_is_passed_over(
    console: Console, artifacts: dict[str, bytes], lines: str
) -> None:
    admin = console.service.admin
    number = admin.upload(lines, artifacts["line-1"]).json["version"]
    for one in (number, 1):
        assert admin.promote(lines, one).status_code == 200
    assert admin.delete(f"/models/{lines}/{number}").status_code == 204
    page = rollback_page(console.admin, lines)
    assert "Roll back production to v3?" in page.text
    assert f"v{number}, which was live before v1, is archived and cannot come back" in page.text


def test_without_an_earlier_version_there_is_no_form(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name, admin = new_name(), console.service.admin
    admin.upload(name, artifacts["line-1"])
    assert "The alias production does not exist" in rollback_page(console.admin, name).text
    admin.promote(name, 1)
    page = rollback_page(console.admin, name)
    assert "No earlier version is available" in page.text
    assert [form for form in page.forms if "expected_version" in form.values] == []
    assert rollback_page(console.person("predict"), name).status == 403
