"""Changing a version in a browser: its description and tags in place, and archiving it."""

import pytest

from registry.storage.tables import VersionRow
from tests.integration.api.conftest import new_name
from tests.integration.console.browser import Browser, Page
from tests.integration.console.conftest import Console


def version_page(browser: Browser, name: str, number: int = 1, tab: str = "results") -> Page:
    return browser.get(f"/console/models/{name}/{number}?tab={tab}")


def describe(browser: Browser, page: Page, **typed: str) -> Page:
    (form,) = [form for form in page.forms if "revision" in form.values]
    return browser.submit(form, **typed)


def stored(console: Console, name: str, number: int = 1) -> tuple[str, dict[str, str]]:
    view = console.service.admin.get(f"/models/{name}/{number}").json
    return view["description"], view["tags"]


def events(console: Console, name: str) -> list[dict[str, object]]:
    return list(console.service.admin.get(f"/models/{name}/history").json["items"])


def archive_links(page: Page) -> list[str]:
    return [href for href in page.hrefs() if href.endswith("/archive")]


def set_status(console: Console, name: str, status: str, failure: str | None = None) -> None:
    """Give the version a state that no upload leaves behind in this release."""
    with console.service.services.database.write() as session:
        row = session.get_one(VersionRow, (name, 1))
        row.status, row.failure = status, failure


@pytest.fixture
def line(console: Console, artifacts: dict[str, bytes]) -> str:
    """A model with one version that is not live, described and tagged."""
    name = new_name()
    metadata = {"description": "first", "tags": {"team": "risk", "stage": "a:b"}}
    assert console.service.admin.upload(name, artifacts["line-1"], metadata).status_code == 201
    return name


def test_description_and_tags_are_edited_in_place(console: Console, line: str) -> None:
    ann = console.person("upload", name="ann")
    page = version_page(ann, line, tab="origin")
    (form,) = [form for form in page.forms if "revision" in form.values]
    assert form.values["description"] == "first"
    assert form.values["tags"].splitlines() == ["stage:a:b", "team:risk"]

    sent = describe(ann, page, description="better\r\non Mondays", tags="team:risk\r\n new : yes")

    assert (sent.status, sent.location) == (303, f"/console/models/{line}/1?tab=origin")
    assert stored(console, line) == ("better\non Mondays", {"team": "risk", "new": "yes"})
    assert (events(console, line)[0]["type"], events(console, line)[0]["actor"]) == (
        "version_updated",
        "ann",
    )


def test_of_two_edits_the_later_one_is_refused_and_keeps_what_was_typed(
    console: Console, line: str
) -> None:
    page = version_page(console.admin, line)
    bob = console.person("upload", name="bob")
    assert describe(bob, version_page(bob, line), description="by bob").status == 303

    late = describe(console.admin, page, description="by ann")

    assert late.status == 409
    assert "Somebody changed the description or the tags of version 1" in late.text
    assert "by bob" in late.text
    assert stored(console, line)[0] == "by bob"
    assert describe(console.admin, late).status == 303  # sent again by hand
    assert stored(console, line)[0] == "by ann"


def test_an_edit_that_is_sent_twice_is_recorded_once(console: Console, line: str) -> None:
    page = version_page(console.admin, line)
    assert describe(console.admin, page, description="once").status == 303
    seq = events(console, line)[0]["seq"]
    assert describe(console.admin, page, description="once").status == 303
    assert events(console, line)[0]["seq"] == seq


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"tags": "no colon"}, "expected key:value on each line"),
        ({"tags": f"{'k' * 201}:v"}, "Length must be between 1 and 200"),
        ({"description": "d" * 10_001}, "Longer than maximum length 10000"),
    ],
)
def test_what_the_api_refuses_is_said_at_the_form(
    console: Console, line: str, typed: dict[str, str], says: str
) -> None:
    refused = describe(console.admin, version_page(console.admin, line), **typed)
    assert refused.status == 422
    assert says in refused.text
    assert stored(console, line)[0] == "first"


def test_tags_that_are_no_lines_of_text_stay_as_they_are(console: Console, line: str) -> None:
    tags = {"a:b": "c", "note": "two\nlines"}
    console.service.admin.patch(f"/models/{line}/1", json={"tags": tags})
    page = version_page(console.admin, line)
    assert "The tags stay as they are" in page.text
    assert describe(console.admin, page, description="new").status == 303
    assert stored(console, line) == ("new", tags)


def test_only_the_scope_upload_edits(console: Console, line: str) -> None:
    reader = console.person("predict")
    assert [form for form in version_page(reader, line).forms if "revision" in form.values] == []
    form = {"description": "x", "revision": "0"}
    assert reader.post(f"/console/models/{line}/1/describe", form).status == 403
    assert stored(console, line)[0] == "first"


def test_an_admin_archives_a_version_after_a_page_that_says_what_it_means(
    console: Console, line: str
) -> None:
    (link,) = archive_links(version_page(console.admin, line))
    page = console.admin.get(link)
    assert "It can no longer answer, be promoted or come back in a rollback" in page.text

    sent = console.admin.submit(page.form(link))

    assert (sent.status, sent.location) == (303, f"/console/models/{line}/1")
    after = console.admin.get(sent.location)
    assert "This version is archived" in after.text
    assert archive_links(after) == []
    assert events(console, line)[0]["type"] == "archived"
    assert "v1 is archived" in console.admin.get(link).text


def test_a_live_version_cannot_be_archived_and_the_page_names_its_aliases(
    console: Console, line: str
) -> None:
    page = console.admin.get(f"/console/models/{line}/1/archive")
    for alias in ("production", "canary"):
        console.service.admin.promote(line, 1, alias=alias)

    head = version_page(console.admin, line)
    assert archive_links(head) == []
    assert "cannot be archived while canary and production point at it" in head.text
    late = console.admin.submit(page.form(f"/console/models/{line}/1/archive"))
    assert late.status == 409
    assert "v1 is live as canary, production, so it cannot be archived" in late.text


def test_archiving_the_version_of_the_next_rollback_is_warned_of(
    console: Console, housing: str
) -> None:
    page = console.admin.get(f"/console/models/{housing}/1/archive")
    assert "A rollback of production would bring back v1" in page.text
    assert "would bring back" not in console.admin.get(f"/console/models/{housing}/3/archive").text


def test_only_admins_archive(console: Console, line: str) -> None:
    person = console.person("upload", "promote")
    assert archive_links(version_page(person, line)) == []
    assert person.post(f"/console/models/{line}/1/archive").status == 403


def test_versions_of_the_same_data_are_linked(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name, admin = new_name(), console.service.admin
    for digest in ("a" * 64, "b" * 64, "a" * 64, None):
        metadata = {"lineage": {"data_sha256": digest} if digest else {}}
        assert admin.upload(name, artifacts["line-1"], metadata).status_code == 201
    first, second, third, last = (
        version_page(console.admin, name, number, "origin") for number in (1, 2, 3, 4)
    )
    assert "Trained on the same data: v3 linear ." in first.text
    assert f"/console/models/{name}/3?tab=origin" in first.hrefs()
    assert "Trained on the same data: v1 linear ." in third.text
    assert "No other version was trained on the same data" in second.text
    assert "same data" not in last.text


def test_a_version_that_failed_says_why_and_offers_nothing(console: Console, line: str) -> None:
    set_status(console, line, "failed", "the worker ran out of memory")
    page = version_page(console.admin, line)
    assert "This version cannot be served. the worker ran out of memory" in page.text
    for word in ("Gates", "Try a prediction", "Promote"):
        assert word not in page.text


def test_a_version_that_is_being_checked_is_followed(console: Console, line: str) -> None:
    set_status(console, line, "pending")
    page = version_page(console.admin, line)
    assert "This version is being checked" in page.text
    (polled,) = [given["hx-get"] for given in page.of("div") if given.get("id") == "live"]
    tag = console.admin.fragment(polled).response.headers["ETag"]

    set_status(console, line, "ready")

    ready = console.admin.fragment(polled, headers={"If-None-Match": tag})
    assert ready.status == 200
    assert "Try a prediction" in ready.text
    assert [one["data-announce"] for one in ready.of("div") if "data-announce" in one] == [
        "v1 is ready"
    ]


def test_gates_are_evaluated_now_on_a_button(console: Console, artifacts: dict[str, bytes]) -> None:
    name, admin = new_name(), console.service.admin
    for rmse in (10.0, 9.0):
        admin.upload(name, artifacts["line-1"], {"metrics": {"rmse": rmse}})
    admin.promote(name, 1)
    admin.put(f"/models/{name}/policy", json={"gates": ["rmse < champion"]})
    person = console.person("upload")
    path = f"/console/models/{name}/2/evaluate"
    before = version_page(person, name, 2)
    assert "not measured against them yet" in before.text

    sent = person.submit(before.form(path))

    assert sent.status == 303
    after = person.get(sent.location)
    assert "Against what is live in production now" in after.text
    assert "rmse < champion 9 against 10, as claimed" in after.text
    assert console.person("predict").post(path).status == 403
