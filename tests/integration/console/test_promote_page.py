"""Promoting a version in a browser: what is shown before, and what happens after it."""

import pytest

from tests.integration.api.conftest import new_name
from tests.integration.console.browser import Browser, Page
from tests.integration.console.conftest import Console

REASON = "lower error"


def promotion_of(name: str, number: int) -> str:
    return f"/console/models/{name}/{number}/promote"


def promotion(browser: Browser, name: str, number: int, alias: str = "production") -> Page:
    return browser.get(promotion_of(name, number), query_string={"alias": alias})


def send(browser: Browser, page: Page, **typed: str) -> Page:
    (form,) = [form for form in page.forms if "expected_version" in form.values]
    return browser.submit(form, **typed)


def live(console: Console, name: str) -> dict[str, int]:
    return dict(console.service.admin.get(f"/models/{name}").json["aliases"])


def last_event(console: Console, name: str) -> dict[str, object]:
    return dict(console.service.admin.get(f"/models/{name}/history").json["items"][0])


@pytest.fixture(scope="module")
def three_versions(console: Console, artifacts: dict[str, bytes]) -> str:
    """A model with three versions; the second claims the lowest error."""
    name = new_name()
    for number, rmse in ((1, 10.0), (2, 8.0), (3, 12.0)):
        metadata = {"metrics": {"rmse": rmse}, "input_example": {"x0": 1.0}}
        answer = console.service.admin.upload(name, artifacts[f"line-{number}"], metadata)
        assert answer.status_code == 201, answer.text
    return name


@pytest.fixture
def lines(console: Console, three_versions: str) -> str:
    """The model, without gates; production points at its first version."""
    name, admin = three_versions, console.service.admin
    for alias in live(console, name):
        admin.delete(f"/models/{name}/aliases/{alias}")
    set_gates(console, name)
    assert admin.promote(name, 1, reason="the first").status_code == 200
    return name


def set_gates(console: Console, name: str, *gates: str) -> None:
    answer = console.service.admin.put(f"/models/{name}/policy", json={"gates": gates})
    assert answer.status_code == 200, answer.text


def test_the_page_shows_what_a_promotion_would_change(console: Console, housing: str) -> None:
    page = promotion(console.admin, housing, 4)
    assert "Promote v4 to production?" in page.text
    assert "It takes the place of v2 on every worker at once" in page.text
    assert "as uploaders claim, on their own held-out rows" in page.text
    assert "RMSE 30 28.5 -5.0 % may be noise" in page.text
    assert "R² 0.7 0.715 +2.1 % no interval kept" in page.text
    assert "alpha 2 4" in page.text
    assert "The columns are the same: whoever calls v2 can call v4" in page.text
    assert "The model has no gates" in page.text


def test_the_page_tells_how_much_memory_the_version_takes(
    console: Console, lines: str, artifacts: dict[str, bytes]
) -> None:
    memory = console.service.admin.get(f"/models/{lines}/2").json["engine"]["memory_bytes"]
    assert 0 < memory < 10_000
    sentence = f"It takes about {memory} B of memory in each worker, v1 about"
    assert sentence in promotion(console.admin, lines, 2).text


def test_a_promotion_is_the_api_s_with_the_name_of_the_token(console: Console, lines: str) -> None:
    ann = console.person("promote", name="ann")
    sent = send(ann, promotion(ann, lines, 2), reason=REASON)
    assert (sent.status, sent.location) == (303, f"/console/models/{lines}?done=1")
    assert live(console, lines) == {"production": 2}
    event = last_event(console, lines)
    assert (event["type"], event["actor"], event["reason"]) == ("promoted", "ann", REASON)
    assert "v2 is live in production" in ann.get(sent.location).text


def test_a_form_that_is_sent_twice_promotes_once(console: Console, lines: str) -> None:
    page = promotion(console.admin, lines, 2)
    assert send(console.admin, page, reason=REASON).status == 303
    seq = last_event(console, lines)["seq"]
    assert send(console.admin, page, reason=REASON).status == 303
    assert last_event(console, lines)["seq"] == seq


def test_a_reason_is_required(console: Console, lines: str) -> None:
    page = send(console.admin, promotion(console.admin, lines, 2), reason="  ")
    assert page.status == 422
    assert "is required: say why" in page.text
    assert live(console, lines) == {"production": 1}


def test_a_promotion_by_somebody_else_in_the_meantime_is_shown(
    console: Console, lines: str
) -> None:
    bob = console.person("promote", name="bob")
    page = promotion(console.admin, lines, 2)
    assert send(bob, promotion(bob, lines, 3), reason="bob was first").status == 303

    conflict = send(console.admin, page, reason=REASON)
    assert conflict.status == 409
    assert "v3 became live in production at" in conflict.text
    assert "by bob while you were reading" in conflict.text
    assert "bob was first" in conflict.text
    assert "v3 now" in conflict.text
    assert live(console, lines) == {"production": 3}

    (form,) = [form for form in conflict.forms if "reason" in form.values]
    assert form.values["reason"] == REASON  # and it is sent by hand alone
    assert send(console.admin, conflict).status == 303
    assert live(console, lines) == {"production": 2}


def test_after_a_change_of_another_alias_the_page_is_shown_again(
    console: Console, lines: str
) -> None:
    page = promotion(console.admin, lines, 2)
    console.service.admin.promote(lines, 3, alias="staging")
    late = send(console.admin, page, reason=REASON)
    assert late.status == 409
    assert "one of its aliases was changed in the meantime" in late.text
    assert live(console, lines) == {"production": 1, "staging": 3}
    assert send(console.admin, late).status == 303


def test_gates_are_evaluated_on_a_button_and_never_by_loading_the_page(
    console: Console, lines: str
) -> None:
    set_gates(console, lines, "rmse <= champion * 1.02", "signature compatible")
    page = promotion(console.admin, lines, 2)
    assert "Not evaluated yet for what is live now" in page.text
    (button,) = [form for form in page.forms if form.action.endswith("alias=production")][:1]
    sent = console.admin.submit(button)
    assert sent.status == 303
    measured = console.admin.get(sent.location)
    assert "rmse <= champion * 1.02 8 against 10, as claimed" in measured.text
    assert send(console.admin, measured, reason=REASON).status == 303


def test_a_shut_gate_takes_the_button_away(console: Console, lines: str) -> None:
    set_gates(console, lines, "rmse <= champion * 1.02")
    ann = console.person("promote")
    refused = send(ann, promotion(ann, lines, 3), reason=REASON)
    assert refused.status == 409
    assert "12 against 10, as claimed 12 is not <= 10.2" in refused.text
    assert "A gate fails: v3 cannot be promoted" in refused.text
    assert [form for form in refused.forms if "expected_version" in form.values] == []
    assert "Promote all the same" not in refused.text
    assert live(console, lines) == {"production": 1}


def test_an_admin_can_force_with_a_reason_and_the_name_typed(console: Console, lines: str) -> None:
    set_gates(console, lines, "rmse <= champion * 1.02")
    admin = console.admin
    shut = send(admin, promotion(admin, lines, 3), reason=REASON)
    assert "Promote all the same" in shut.text

    short = send(admin, shut, reason="now", confirm="houses")
    assert short.status == 422
    assert "at least 10 characters" in short.text
    assert f"expected the name of the model, {lines}" in short.text

    shut = send(admin, promotion(admin, lines, 3), reason=REASON)
    sent = send(admin, shut, reason="the gate is out of date", confirm=lines)
    assert sent.status == 303
    assert last_event(console, lines)["details"]["forced"] is True  # type: ignore[index]


def test_force_is_refused_without_the_scope_admin(console: Console, lines: str) -> None:
    form = {"reason": "a reason of some length", "expected_version": "1", "force": "1"}
    form |= {"expected_generation": "1", "confirm": lines}
    page = console.person("promote").post(promotion_of(lines, 3), form)
    assert page.status == 403
    assert live(console, lines) == {"production": 1}


def test_what_cannot_be_promoted_has_no_form(
    console: Console, lines: str, artifacts: dict[str, bytes]
) -> None:
    assert "v1 is live in production since" in promotion(console.admin, lines, 1).text
    number = console.service.admin.upload(lines, artifacts["line-3"]).json["version"]
    console.service.admin.delete(f"/models/{lines}/{number}")
    archived = promotion(console.admin, lines, number)
    assert f"v{number} is archived, not ready" in archived.text
    for page in (promotion(console.admin, lines, 1), archived):
        assert [form for form in page.forms if "expected_version" in form.values] == []
    assert promotion(console.person("predict"), lines, 2).status == 403
    assert promotion(console.admin, lines, 99).status == 404


def test_an_alias_that_does_not_exist_yet_is_made(console: Console, lines: str) -> None:
    page = promotion(console.admin, lines, 2, alias="staging")
    assert "No version is live as staging." in page.text
    assert send(console.admin, page, reason=REASON).location == f"/console/models/{lines}"
    assert live(console, lines) == {"production": 1, "staging": 2}
    # Somebody who read the same page is told that the alias exists by now.
    assert send(console.person("promote"), page, reason=REASON).status == 409
    assert promotion(console.admin, lines, 2, alias="No Alias").status == 400


def test_columns_that_break_callers_are_named(
    console: Console, lines: str, artifacts: dict[str, bytes]
) -> None:
    answer = console.service.admin.upload(lines, artifacts["housing"])
    number = answer.json["version"]
    text = promotion(console.admin, lines, number).text
    assert f"Callers of v1 cannot call v{number}" in text
    assert "is new and required" in text


def test_an_address_with_an_alias_leads_to_the_number(console: Console, lines: str) -> None:
    page = console.admin.get(f"/console/models/{lines}/production/promote?alias=staging")
    assert page.location == f"/console/models/{lines}/1/promote?alias=staging"
