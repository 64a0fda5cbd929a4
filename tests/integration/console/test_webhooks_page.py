"""Webhooks in the browser: made, tested, disabled and deleted, and their messages sent again."""

import pytest
from sqlalchemy import select, update

from registry.storage.tables import utc_now
from registry.storage.webhook_tables import DeliveryRow
from tests.integration.console.browser import Browser, Page
from tests.integration.console.conftest import Console

URL = "https://hooks.example.com/models/a-secret-path"


def make(browser: Browser, **typed: str) -> Page:
    form = browser.get("/console/webhooks/new").forms[-1]
    return browser.submit(form, **{"url": URL, "events": "promoted, alert.*", "models": ""} | typed)


def press(browser: Browser, path: str, action: str) -> Page:
    """Send the form of the page whose address ends so."""
    (form,) = [one for one in browser.get(path).forms if one.action.endswith(action)]
    return browser.submit(form)


@pytest.fixture
def path(console: Console) -> str:
    """The page of a new webhook."""
    made = make(console.admin)
    (link,) = [href for href in made.hrefs() if href.startswith("/console/webhooks/")]
    return link


def deliveries(console: Console, path: str) -> list[DeliveryRow]:
    number = int(path.rpartition("/")[2])
    with console.service.services.database.read() as session:
        query = select(DeliveryRow).where(DeliveryRow.webhook_id == number)
        return list(session.scalars(query.order_by(DeliveryRow.id)))


def test_the_secret_of_a_new_webhook_is_shown_once(console: Console) -> None:
    made = make(console.admin, models="housing*")

    assert made.status == 200
    (field,) = [one for one in made.of("input") if one.get("id") == "value"]
    assert field["value"].startswith("whsec_")
    assert "Content-Encoding" not in made.response.headers
    page = console.admin.get("/console/webhooks")
    assert URL in page.text
    assert "housing*" in page.text
    assert "alert.*" in page.text
    assert field["value"] not in page.html


def test_an_address_that_must_not_be_reached_is_refused_beside_its_field(console: Console) -> None:
    sent = make(console.admin, url="https://169.254.169.254/latest")

    assert sent.status == 422
    assert any(one.get("id") == "url-fault" for one in sent.of("span"))
    assert sent.forms[-1].values["url"] == "https://169.254.169.254/latest"


def test_a_test_is_among_the_deliveries_and_is_sent_again_with_its_id(
    console: Console, path: str
) -> None:
    assert "No message yet" in console.admin.get(path).text
    assert press(console.admin, path, "/test").location == path
    (row,) = deliveries(console, path)
    with console.service.services.database.write(announce=False) as session:
        session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.id == row.id)
            .values(state="failed", attempts=9, last_status=500, last_at=utc_now())
        )
    page = console.admin.get(path)
    assert "webhook.test" in page.text
    assert f"{row.message_id} failed" in page.text
    assert "500" in page.text
    assert "No message is delivered" in console.admin.get(f"{path}?state=delivered").text

    assert press(console.admin, path, "/retry").location == path

    (again,) = deliveries(console, path)
    assert (again.message_id, again.state, again.attempts) == (row.message_id, "waiting", 0)


def test_a_disabled_webhook_has_no_tests_until_it_is_enabled(console: Console, path: str) -> None:
    press(console.admin, path, "/disable")
    page = console.admin.get(path)
    assert "disabled" in page.text
    assert not any(form.action.endswith("/test") for form in page.forms)

    press(console.admin, path, "/enable")

    assert any(form.action.endswith("/test") for form in console.admin.get(path).forms)


def test_a_new_secret_is_shown_and_the_old_one_signs_for_a_day(console: Console, path: str) -> None:
    made = press(console.admin, path, "/rotate")

    assert "For 24 hours messages are signed with the secret before, too." in made.text
    assert "Signed with the secret before, too until" in console.admin.get(path).text


def test_a_deleted_webhook_is_gone(console: Console, path: str) -> None:
    assert press(console.admin, path, "/delete").location == "/console/webhooks"

    assert console.admin.get(path).status == 404


def test_webhooks_are_for_admins_of_all_models(console: Console, path: str) -> None:
    for browser in (console.person("promote"), console.person("admin", models=["housing*"])):
        assert browser.get("/console/webhooks").status == 403
        assert browser.get(path).status == 403
        assert "/console/webhooks" not in browser.get("/console/models").hrefs()
