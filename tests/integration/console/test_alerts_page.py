"""Alerts: the list, who has seen one, and the notice on the page of a model."""

import pytest

from registry.operations.close_alert import close_alert
from registry.operations.open_alert import open_alert
from tests.integration.api.conftest import new_name
from tests.integration.console.conftest import HOSTILE, Console, ConsoleMaker


@pytest.fixture
def model(console: Console) -> str:
    """A model with two open alerts and a closed one; there is one of the service, too."""
    name = new_name()
    console.service.admin.post("/models", json={"name": name})
    with console.service.services.database.write() as session:
        for subject in ("production", "staging", "old"):
            open_alert(
                session,
                "held",
                subject,
                f"v4 waits in {subject}. {HOSTILE}",
                actor="keeper",
                model=name,
                alias=subject,
                version=4,
                evidence={"requests": 2210, "said": HOSTILE},
            )
        close_alert(session, "held", "old", actor="keeper", reason="decided", model=name)
        open_alert(session, "watch", "here", "No keeper runs.", actor="worker")
    return name


def test_open_alerts_are_listed_with_what_they_concern(console: Console, model: str) -> None:
    page = console.admin.get(f"/console/alerts?model={model}")

    assert f"v4 waits in production. {HOSTILE}".split()[0] in page.text
    assert "v4 waits in staging" in page.text
    assert "v4 waits in old" not in page.text
    assert "nobody yet" in page.text
    assert '"requests": 2210' in page.text
    assert f"/console/models/{model}" in page.hrefs()
    assert "<script>alert" not in page.html

    closed = console.admin.get(f"/console/alerts?model={model}&state=closed")
    assert "v4 waits in old" in closed.text
    assert "v4 waits in production" not in closed.text


def test_alerts_of_the_service_are_for_tokens_of_all_models(console: Console, model: str) -> None:
    assert "No keeper runs." in console.admin.get("/console/alerts").text
    limited = console.person("promote", models=[model])
    page = limited.get("/console/alerts")
    assert "No keeper runs." not in page.text
    assert "v4 waits in production" in page.text


def test_who_saw_an_alert_first_is_noted(console: Console, model: str) -> None:
    ann, bert = (console.person("promote", name=name) for name in ("ann", "bert"))
    page = ann.get(f"/console/alerts?model={model}")
    form = page.forms[-1]
    assert form.action.endswith("/seen?state=open")

    sent = ann.submit(form)
    again = bert.submit(form)

    assert sent.status == again.status == 303
    page = ann.get(f"/console/alerts?model={model}")
    assert "ann" in page.text
    assert "bert" not in page.text
    assert page.text.count("nobody yet") == 1


def test_a_reader_has_no_button(console: Console, model: str) -> None:
    page = console.person("predict").get(f"/console/alerts?model={model}")

    assert "v4 waits in production" in page.text
    assert not any(form.action.partition("?")[0].endswith("/seen") for form in page.forms)


def test_the_page_of_a_model_has_its_open_alerts(console: Console, model: str) -> None:
    page = console.admin.get(f"/console/models/{model}")
    notice = page.html.partition('aria-label="Open alerts"')[2].partition("</section>")[0]

    assert "v4 waits in production" in notice
    assert "v4 waits in old" not in notice
    assert "No keeper runs." not in notice
    assert f"/console/alerts?model={model}" in page.hrefs()


def test_without_alerts_the_page_says_what_opens_one(make_console: ConsoleMaker) -> None:
    page = make_console().admin.get("/console/alerts")

    assert "No alert is open" in page.text
    assert "Guards that fail" in page.text
