"""A form that starts a rollout: the plan as rows of steps, and guards."""

import pytest

from registry.operations.split_alias import SplitRequest, split_alias
from registry.reading.splits import weights_of
from tests.fakes import Preparer
from tests.integration.api.conftest import new_name
from tests.integration.console.browser import Browser, FormOnPage, Page
from tests.integration.console.conftest import Console


@pytest.fixture
def lines(console: Console, artifacts: dict[str, bytes]) -> str:
    """A model of which version 1 is live and 2 and 3 wait."""
    name, admin = new_name(), console.service.admin
    for number in (1, 2, 3):
        admin.upload(name, artifacts[f"line-{number}"])
    admin.promote(name, 1)
    return name


def start_page(browser: Browser, model: str, number: int = 2, alias: str = "production") -> Page:
    return browser.get(f"/console/models/{model}/{number}/rollout", query_string={"alias": alias})


def plan_form(page: Page) -> FormOnPage:
    (form,) = [form for form in page.forms if "weight_1" in form.values]
    return form


def rollout_of(console: Console, model: str) -> dict[str, object]:
    return dict(console.service.admin.get(f"/models/{model}/aliases/production/rollout").json)


def weights(console: Console, model: str) -> dict[int, int]:
    with console.service.services.database.read() as session:
        return weights_of(session, model, "production")


def test_a_rollout_is_started_with_the_plan_that_was_typed(console: Console, lines: str) -> None:
    ann = console.person("promote", name="ann")
    page = start_page(ann, lines)
    assert "Roll out v2 to production?" in page.text
    assert "no requests of v1 are recorded for the last hour" in page.text

    sent = ann.submit(
        plan_form(page), weight_1="10", minutes_1="0.5", guards="faults <= 2%", reason="faster"
    )

    assert sent.status == 303
    assert sent.location == f"/console/models/{lines}/rollout?alias=production"
    started = rollout_of(console, lines)
    assert (started["version"], started["created_by"]) == (2, "ann")
    assert started["plan"] == {
        "steps": [
            {"weight": 10, "minutes": 0.5, "requests": 2000},
            {"weight": 25, "minutes": 30, "requests": 10000},
            {"weight": 100},
        ],
        "guards": ["faults <= 2%"],
        "require": [],
        "by": "header",
        "deadline": "24h",
        "at_deadline": "hold",
        "unwatched": "hold",
        "bake": 60,
    }
    assert weights(console, lines) == {1: 9000, 2: 1000}
    event = console.service.admin.get(f"/models/{lines}/history").json["items"][1]
    assert (event["type"], event["reason"]) == ("rollout_started", "faster")


def test_a_step_is_added_to_what_was_typed(console: Console, lines: str) -> None:
    ann = console.person("promote")

    page = ann.submit(plan_form(start_page(ann, lines)), weight_1="1", reason="faster", more="1")
    form = plan_form(page)
    assert (form.values["weight_1"], form.values["weight_3"]) == ("1", "")
    assert form.values["reason"] == "faster"
    assert weights(console, lines) == {}

    sent = ann.submit(form, weight_3="50", minutes_3="5", requests_3="10")
    assert sent.status == 303
    plan = rollout_of(console, lines)["plan"]
    assert isinstance(plan, dict)
    assert [step["weight"] for step in plan["steps"]] == [1, 25, 50, 100]


def test_a_form_that_is_sent_twice_starts_one_rollout(console: Console, lines: str) -> None:
    ann = console.person("promote")
    form = plan_form(start_page(ann, lines))

    assert [ann.submit(form, reason="faster").status for _ in range(2)] == [303, 303]

    assert rollout_of(console, lines)["revision"] == 1


def test_all_faults_are_shown_beside_what_was_typed(console: Console, lines: str) -> None:
    ann = console.person("promote")

    page = ann.submit(plan_form(start_page(ann, lines)), weight_2="3", guards="latency <= 1%")

    assert page.status == 422
    assert "expected more than in the step before" in page.text
    assert "there is no guard 'latency'" in page.text
    assert "is required: say why" in page.text
    marked = [one["name"] for one in page.of("input") if one.get("aria-invalid")]
    assert marked == ["weight_2", "reason"]
    assert plan_form(page).values["weight_2"] == "3"
    assert weights(console, lines) == {}


def test_it_is_refused_where_another_version_became_live_meanwhile(
    console: Console, lines: str
) -> None:
    ann = console.person("promote")
    form = plan_form(start_page(ann, lines))
    console.service.admin.promote(lines, 3)

    page = ann.submit(form, reason="faster")

    assert page.status == 409
    assert "v3 became live in production" in page.text
    assert weights(console, lines) == {}
    assert plan_form(page).values["expected_version"] == "3"


def test_where_a_rollout_is_not_possible_the_page_says_why(console: Console, lines: str) -> None:
    admin = console.admin
    assert (
        "v1 is live in production. There is nothing to roll out" in start_page(admin, lines, 1).text
    )
    assert "No version is live as shadow." in start_page(admin, lines, 2, "shadow").text

    assert admin.submit(plan_form(start_page(admin, lines)), reason="faster").status == 303
    page = start_page(admin, lines, 3)
    assert "The rollout of v2 to production is in progress" in page.text
    assert not any("weight_1" in form.values for form in page.forms)


def test_a_split_has_to_be_ended_first(console: Console, lines: str) -> None:
    services = console.service.services
    order = SplitRequest(actor="ann", weights={1: 9000, 2: 1000})
    split_alias(
        services.database, Preparer(), lines, order, evaluate_gates=services.evaluator.results
    )

    page = start_page(console.admin, lines, 3)

    assert "production is split over v1 90 %, v2 10 %. A rollout makes a split of its own." in (
        page.text
    )
    assert f"/console/models/{lines}/rollback?alias=production" in page.hrefs()


def test_only_admins_force_a_rollout_and_with_a_long_reason(console: Console, lines: str) -> None:
    ann = console.person("promote")
    page = start_page(ann, lines)
    assert not any(one.get("name") == "force" for one in page.of("input"))
    assert ann.submit(plan_form(page), reason="it is urgent, really", force="1").status == 403

    admin = console.admin
    refused = admin.submit(plan_form(start_page(admin, lines)), reason="urgent", force="1")
    assert refused.status == 422
    assert "at least 10 characters" in refused.text

    sent = admin.submit(plan_form(refused), reason="it is urgent, really", force="1")
    assert sent.status == 303
    assert rollout_of(console, lines)["forced"] is True


def test_the_pages_of_a_model_and_a_version_lead_to_it(console: Console, lines: str) -> None:
    there = f"/console/models/{lines}/{{}}/rollout"
    assert there.format(3) in console.admin.get(f"/console/models/{lines}").hrefs()
    assert there.format(2) in console.admin.get(f"/console/models/{lines}/2").hrefs()
    assert there.format(1) not in console.admin.get(f"/console/models/{lines}/1").hrefs()
    reader = console.person("predict")
    assert there.format(2) not in reader.get(f"/console/models/{lines}/2").hrefs()
    assert start_page(reader, lines).status == 403
