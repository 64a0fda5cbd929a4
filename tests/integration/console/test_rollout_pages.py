"""A rollout in the browser: its steps, the reason of its state, its guards, and its buttons."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from registry.guards.evidence import ArmCounts
from registry.operations.start_rollout import RolloutRequest, start_rollout
from registry.reading.splits import weights_of
from registry.rollouts.observed import Arms, Tally
from registry.rollouts.plan import parse_plan
from registry.storage.rollout_tables import RolloutRow
from registry.storage.tables import EventRow, utc_now
from registry.watching.rollouts import observed_of
from tests.fakes import Preparer
from tests.integration.api.conftest import new_name
from tests.integration.console.browser import Browser, Page
from tests.integration.console.conftest import Console

PLAN = parse_plan(
    {
        "steps": [
            {"weight": 5, "minutes": 10, "requests": 2000},
            {"weight": 25, "minutes": 30, "requests": 10000},
            {"weight": 100},
        ],
        "guards": ["faults <= champion * 2 + 0.5%"],
    }
)


@pytest.fixture
def rolling(console: Console, artifacts: dict[str, bytes]) -> str:
    """A model of which version 2 is rolled out in place of version 1."""
    name, admin = new_name(), console.service.admin
    for number in (1, 2):
        admin.upload(name, artifacts[f"line-{number}"])
    admin.promote(name, 1)
    services = console.service.services
    start_rollout(
        services.database,
        Preparer(),
        name,
        "2",
        RolloutRequest(actor="ann", plan=PLAN, reason="faster"),
        evaluate_gates=services.evaluator.results,
    )
    return name


def count(console: Console, model: str, canary: Tally, champion: Tally) -> None:
    """Add counts to the evidence of the rollout, as the keeper does."""
    (guard,) = PLAN.guards
    with console.service.services.database.write(announce=False) as session:
        row = session.scalars(select(RolloutRow).where(RolloutRow.model == model)).one()
        observed = observed_of(row)
        evidence = observed.guards[guard.text].after(
            guard.limit,
            ArmCounts(canary.requests, canary.faults),
            ArmCounts(champion.requests, champion.faults),
        )
        arms = Arms(canary, champion)
        observed = replace(observed, guards={guard.text: evidence}, whole=arms, step=arms)
        row.evidence = observed.to_json()


def change(console: Console, model: str, **values: object) -> None:
    with console.service.services.database.write(announce=False) as session:
        session.execute(update(RolloutRow).where(RolloutRow.model == model).values(**values))


def weights(console: Console, model: str) -> dict[int, int]:
    with console.service.services.database.read() as session:
        return weights_of(session, model, "production")


def events(console: Console, model: str) -> list[tuple[str, str | None]]:
    with console.service.services.database.read() as session:
        query = select(EventRow.type, EventRow.reason).where(EventRow.model == model)
        return [tuple(row) for row in session.execute(query.order_by(EventRow.seq.desc()).limit(2))]


def rollout_page(browser: Browser, model: str, verb: str = "") -> Page:
    return browser.get(f"/console/models/{model}/rollout{'/' if verb else ''}{verb}")


def steer(browser: Browser, model: str, verb: str, reason: str = "because") -> Page:
    return browser.submit(rollout_page(browser, model, verb).forms[-1], reason=reason)


def test_the_page_has_steps_and_the_reason_of_the_state_in_a_sentence(
    console: Console, rolling: str
) -> None:
    count(console, rolling, Tally(answered=90), Tally(answered=1_700))

    page = rollout_page(console.admin, rolling)

    assert "Rollout of v2 to production" in page.text
    assert "running Step 1 of 3, a weight of 5 %: 0 of 10 minutes have passed" in page.text
    assert "5 % 10 min, 2,000 requests running" in page.text
    assert "25 % 30 min, 10,000 requests to come" in page.text
    assert "100 % promotion to come" in page.text
    assert "90 of 2,000" in page.text
    assert "1,700 of 2,000" in page.text
    assert "Who answers as production" in page.text
    assert "End the split" not in page.text


def test_a_guard_is_shown_as_its_e_value_beside_the_limit(console: Console, rolling: str) -> None:
    count(console, rolling, Tally(answered=60, faults=40), Tally(answered=1_000))

    page = rollout_page(console.admin, rolling)

    (drawn,) = [one for one in page.of("svg") if "evidence" in one.get("class", "")]
    assert "from 100 on the guard has failed" in drawn["aria-label"]
    assert "failed" in page.text.partition("Guards")[2]
    assert "40 of 100" in page.text
    assert "0 of 1,000" in page.text
    limit = next(one for one in page.of("line") if one.get("class") == "limit")
    point = next(one for one in page.of("circle") if one.get("class") == "failed")
    assert float(point["cx"]) > float(limit["x1"])


def test_a_rollout_is_paused_and_resumed_with_a_reason(console: Console, rolling: str) -> None:
    ann = console.person("promote", name="ann")
    page = rollout_page(ann, rolling)
    assert f"/console/models/{rolling}/rollout/pause?alias=production" in page.hrefs()
    assert not any("/rollout/resume" in href for href in page.hrefs())

    assert steer(ann, rolling, "pause", "the office is empty").status == 303
    page = rollout_page(ann, rolling)
    assert "paused the office is empty" in page.text
    assert events(console, rolling)[0] == ("rollout_paused", "the office is empty")

    assert steer(ann, rolling, "resume").status == 303
    assert "running Step 1" in rollout_page(ann, rolling).text


def test_an_aborted_rollout_gives_all_requests_back(console: Console, rolling: str) -> None:
    ann = console.person("promote", name="ann")
    page = rollout_page(ann, rolling, "abort")
    assert "v1 answers all requests for production on every worker at once" in page.text

    sent = steer(ann, rolling, "abort", "wrong answers")

    assert sent.status == 303
    assert weights(console, rolling) == {}
    page = rollout_page(ann, rolling)
    assert "aborted wrong answers" in page.text
    assert not any("/rollout/" in href for href in page.hrefs())
    assert "there is nothing to pause" in rollout_page(ann, rolling, "pause").text


def test_a_finished_rollout_is_a_promotion(console: Console, rolling: str) -> None:
    ann = console.person("promote", name="ann")

    assert steer(ann, rolling, "finish", "sure").status == 303

    assert console.service.admin.get(f"/models/{rolling}").json["aliases"] == {"production": 2}
    page = rollout_page(ann, rolling)
    assert "baking" in page.text
    assert "guards apply for 60 minutes" in page.text
    assert "v2 goes, v1 comes back" in rollout_page(ann, rolling, "abort").text


def test_a_verb_is_refused_where_the_rollout_has_changed_since(
    console: Console, rolling: str
) -> None:
    ann = console.person("promote", name="ann")
    form = rollout_page(ann, rolling, "finish").forms[-1]
    assert steer(console.person("promote", name="bert"), rolling, "pause").status == 303

    sent = ann.submit(form, reason="sure")

    assert sent.status == 409
    assert "is at revision 2 and paused; expected revision 1" in sent.text
    assert weights(console, rolling) == {1: 9500, 2: 500}
    assert sent.forms[-1].values["expected_revision"] == "2"


def test_a_reason_is_required(console: Console, rolling: str) -> None:
    sent = steer(console.person("promote"), rolling, "abort", reason="")

    assert sent.status == 422
    assert "is required: say why" in sent.text
    assert weights(console, rolling) == {1: 9500, 2: 500}


def test_the_page_says_that_nobody_watches(console: Console, rolling: str) -> None:
    change(console, rolling, evidence_at=utc_now() - timedelta(minutes=2))

    assert "Nobody watches this rollout" in rollout_page(console.admin, rolling).text


def test_the_model_leads_to_its_rollout(console: Console, rolling: str) -> None:
    page = console.admin.get(f"/console/models/{rolling}")

    assert "Rollout of v2 to production step 1 of 3, 5 %" in page.text
    assert f"/console/models/{rolling}/rollout?alias=production" in page.hrefs()


def test_a_reader_sees_the_rollout_and_no_buttons(console: Console, rolling: str) -> None:
    page = rollout_page(console.person("predict"), rolling)

    assert page.status == 200
    assert not any("/rollout/" in href for href in page.hrefs())


def test_a_model_without_a_rollout_has_no_page(console: Console, housing: str) -> None:
    assert rollout_page(console.admin, housing).status == 404
    assert rollout_page(console.admin, housing, "pause").status == 404
    assert rollout_page(console.admin, housing, "explode").status == 404
