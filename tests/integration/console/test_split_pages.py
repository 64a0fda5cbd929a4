"""An alias that is split: what its model's page shows of it, and how it ends."""

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import update

from console.formats import DASH
from registry.operations.record_traffic import record_traffic
from registry.operations.split_alias import SplitRequest, split_alias
from registry.reading.splits import weights_of
from registry.storage.tables import EventRow, utc_now
from registry.watching.counts import BINS
from registry.watching.named_rows import Row
from registry.watching.traffic import MINUTE, Increase, floor
from tests.fakes import Preparer
from tests.integration.api.conftest import new_name
from tests.integration.console.browser import FormOnPage, Page
from tests.integration.console.conftest import Console


def split(console: Console, name: str) -> None:
    order = SplitRequest(actor="ann", weights={1: 9000, 2: 1000}, reason="try v2 on a few")
    database, evaluator = console.service.services.database, console.service.services.evaluator
    split_alias(database, Preparer(), name, order, evaluate_gates=evaluator.results)


@pytest.fixture
def canary(console: Console, artifacts: dict[str, bytes]) -> str:
    """A model of which version 1 is the champion and version 2 has 10 % since 30 minutes ago;
    version 3 waits."""
    name, admin = new_name(), console.service.admin
    for number in (1, 2, 3):
        admin.upload(name, artifacts[f"line-{number}"])
    admin.promote(name, 1)
    split(console, name)
    with console.service.services.database.write(announce=False) as session:
        session.execute(
            update(EventRow)
            .where(EventRow.model == name, EventRow.type == "split_changed")
            .values(at=utc_now() - timedelta(minutes=30))
        )
    return name


def record(
    console: Console, model: str, version: int, answered: int, *, failed: int = 0, minutes: int = 5
) -> None:
    """Record predictions as the service does once a minute."""
    increase = Increase(
        Row(model, version, "production"), 0, failed, np.eye(1, BINS, 9, np.uint64)[0] * answered
    )
    minute = floor(utc_now() - minutes * MINUTE, MINUTE)
    record_traffic(console.service.services.database, minute, [increase])


def weights(console: Console, model: str) -> dict[int, int]:
    with console.service.services.database.read() as session:
        return weights_of(session, model, "production")


def promotion_form(page: Page) -> FormOnPage:
    (form,) = [form for form in page.forms if "expected_version" in form.values]
    return form


def last_event(console: Console, name: str) -> dict[str, object]:
    return dict(console.service.admin.get(f"/models/{name}/history").json["items"][0])


def row_of(page: Page, version: int) -> str:
    """The row of a version in the table of the split."""
    table = page.html.partition('aria-label="Split of production"')[2].partition("</table>")[0]
    (row,) = [one for one in table.split("<tr") if f">v{version}</a>" in one]
    return row


def test_the_weight_and_the_real_share_of_each_version_are_shown(
    console: Console, canary: str
) -> None:
    record(console, canary, 1, 870)
    record(console, canary, 2, 120, failed=10)
    record(console, canary, 2, 5_000, minutes=40)  # before the split

    page = console.admin.get(f"/console/models/{canary}")

    assert "Who answers as production" in page.text
    assert "by the header X-Request-Key" in page.text
    assert "by ann" in page.text
    assert "try v2 on a few" in page.text
    champion, other = row_of(page, 1), row_of(page, 2)
    assert all(figure in champion for figure in ("champion", ">90 %<", ">87 %<", ">870<"))
    assert all(figure in other for figure in (">10 %<", ">13 %<", ">130<", ">7.69 %<"))
    bars = [one for one in page.of("rect") if one.get("class", "").startswith("arm-")]
    assert [(float(bar["x"]), float(bar["width"])) for bar in bars] == [(0, 90), (90, 10)]


def test_without_requests_there_is_no_real_share(console: Console, canary: str) -> None:
    page = console.admin.get(f"/console/models/{canary}")

    assert "No requests since the change yet" in page.text
    assert f'data-label="Of the requests" class="figure">{DASH}<' in row_of(page, 2)


def test_a_split_is_ended_by_one_press_on_a_reason(console: Console, canary: str) -> None:
    ann = console.person("promote", name="ann")
    model = ann.get(f"/console/models/{canary}")
    (link,) = [href for href in model.hrefs() if "/rollback" in href]
    page = ann.get(link)
    assert "End the split of production?" in page.text
    assert "v1 answers all requests" in page.text
    assert "10 % of the requests" in page.text

    sent = ann.submit(page.forms[-2], reason="errors")

    assert sent.status == 303
    assert weights(console, canary) == {}
    event = last_event(console, canary)
    assert (event["type"], event["reason"]) == ("split_ended", "errors")
    assert "Who answers as production" not in ann.get(f"/console/models/{canary}").text


@pytest.mark.parametrize("is_split_again", [False, True])
def test_a_split_that_has_ended_meanwhile_is_not_followed_by_a_rollback(
    console: Console, canary: str, is_split_again: bool
) -> None:
    admin = console.service.admin
    for number in (3, 1):  # so that there is a version to roll back to
        assert admin.promote(canary, number, end_split=True).status_code == 200
    split(console, canary)
    page = console.admin.get(f"/console/models/{canary}/rollback")
    assert "End the split of production?" in page.text
    admin.delete(f"/models/{canary}/aliases/production/split")
    if is_split_again:
        split(console, canary)

    late = console.admin.submit(page.forms[-2], reason="errors")

    assert late.status == 409
    assert admin.get(f"/models/{canary}").json["aliases"] == {"production": 1}
    if is_split_again:
        assert "one of its aliases was changed in the meantime" in late.text
        assert weights(console, canary) == {1: 9000, 2: 1000}
        return
    assert "The split of production ended while you were reading: v1 answers all" in late.text
    assert [form for form in late.forms if "reason" in form.values] == []
    assert [button for form in late.forms for button in form.buttons if "reason" in button] == []


def test_without_a_version_and_without_a_split_nothing_is_rolled_back(
    console: Console, canary: str
) -> None:
    admin = console.service.admin
    admin.promote(canary, 2)
    generation = str(admin.get(f"/models/{canary}").json["generation"])
    form = {"reason": "errors", "expected_version": "2", "expected_generation": generation}

    answer = console.admin.post(f"/console/models/{canary}/rollback", form)

    assert answer.status == 404
    assert "The split of production ended while you were reading" in answer.text
    assert admin.get(f"/models/{canary}").json["aliases"] == {"production": 2}


def test_a_promotion_of_another_version_ends_the_split_only_if_that_is_chosen(
    console: Console, canary: str
) -> None:
    ann = console.person("promote", name="ann")
    page = ann.get(f"/console/models/{canary}/3/promote")
    assert "production is split over v1 90 %, v2 10 %. v3 is none of them." in page.text
    (box,) = [one for one in page.of("input") if one.get("name") == "end_split"]
    assert "checked" not in box

    page = ann.submit(promotion_form(page), reason="v3 is better than both")
    assert page.status == 409
    assert "is required: the alias is split over other versions" in page.text
    assert weights(console, canary) == {1: 9000, 2: 1000}

    sent = ann.submit(promotion_form(page), end_split="1")
    assert sent.status == 303
    assert weights(console, canary) == {}
    event = last_event(console, canary)
    assert (event["type"], event["reason"]) == ("promoted", "v3 is better than both")


def test_a_promotion_of_a_version_of_the_split_ends_it(console: Console, canary: str) -> None:
    ann = console.person("promote", name="ann")
    page = ann.get(f"/console/models/{canary}/2/promote")
    assert "The promotion ends the split: v2 answers all requests." in page.text
    assert not any(one.get("name") == "end_split" for one in page.of("input"))

    assert ann.submit(promotion_form(page), reason="better").status == 303

    assert weights(console, canary) == {}


def test_the_champion_of_a_split_leads_to_its_end(console: Console, canary: str) -> None:
    page = console.admin.get(f"/console/models/{canary}/1/promote")

    assert "It is the champion of a split." in page.text
    assert f"/console/models/{canary}/rollback?alias=production" in page.hrefs()


def test_a_reader_sees_the_split_and_no_button(console: Console, canary: str) -> None:
    page = console.person("predict").get(f"/console/models/{canary}")

    assert "Who answers as production" in page.text
    assert "End the split" not in page.text
