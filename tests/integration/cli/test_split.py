"""``hotswap split``, what other commands say of splits, and the requests of the client."""

import json
from typing import Any

import pytest

from hotswap import Registry
from hotswap.problems import SplitActive, SplitNotFound
from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_service import HSW, Answer, FakeService, problem

PATH = "/models/housing/aliases/production/split"
SPLIT: dict[str, Any] = {
    "model": "housing",
    "alias": "production",
    "version": 3,
    "by": "header",
    "arms": [{"version": 3, "weight": 94.75}, {"version": 4, "weight": 5.25}],
    "generation": 8,
    "since": "2026-11-23T06:00:00.000Z",
    "changed_by": "ann",
    "reason": "trained on the data of October",
}
GATE = {"version": 4, "gate": "signature compatible", "passed": True}
ENDED = {
    "model": "housing",
    "alias": "production",
    "version": 3,
    "previous_version": 3,
    "generation": 9,
    "gates": [],
    "split_ended": True,
}


def test_a_split_is_made_and_printed(hotswap: Hotswap, service: FakeService) -> None:
    service.script("PUT", PATH, Answer(200, {**SPLIT, "gates": [GATE]}))
    made = hotswap(
        *("split", "housing", "3=94.75", "4=5.25%", "--by", "header", "--reason", "try it"),
        *("--expected-version", "3", "--expected-generation", "7", "--idempotency-key", "k"),
    )
    assert made.exit_code == 0, made.output
    heading, table, *rows = made.stdout.splitlines()
    assert heading.startswith("housing/production is split by header, since 2026-11-23")
    assert heading.endswith("by ann: trained on the data of October")
    assert table.split() == ["VERSION", "WEIGHT", "ROLE"]
    assert [row.split() for row in rows[:2]] == [["3", "94.75%", "champion"], ["4", "5.25%", "-"]]
    assert "signature compatible" in made.stdout
    (received,) = service.requests
    assert received.json == {
        "weights": {"3": 94.75, "4": 5.25},
        "by": "header",
        "reason": "try it",
        "expected_version": 3,
        "expected_generation": 7,
    }
    assert received.headers["Idempotency-Key"] == "k"


def test_only_given_options_are_sent(hotswap: Hotswap, service: FakeService) -> None:
    path = "/models/housing/aliases/blue/split"
    service.script("PUT", path, Answer(200, SPLIT))
    shown = hotswap("split", "housing", "3=90", "4=10", "--alias", "blue", "--force", "--json")
    assert json.loads(shown.stdout) == SPLIT
    assert service.requests[0].json == {"weights": {"3": 90, "4": 10}, "force": True}
    assert service.requests[0].headers["Idempotency-Key"], "or it could not be repeated"


def test_a_split_is_shown(hotswap: Hotswap, service: FakeService) -> None:
    service.script("GET", PATH, Answer(200, SPLIT))
    assert "94.75%" in hotswap("split", "housing").stdout
    assert json.loads(hotswap("split", "housing", "--json").stdout) == SPLIT


def test_a_split_is_shown_with_its_real_shares(hotswap: Hotswap, service: FakeService) -> None:
    arm = {"version": 3, "requests": 18_213, "request_share": 0.91065, "key_share": 0.9003}
    traffic = {"requests": 20_000, "keys": 1_204, "largest_key_share": 0.021, "arms": [arm]}
    service.script("GET", PATH, Answer(200, {**SPLIT, "traffic": traffic}))

    _, table, *rows, keys = hotswap("split", "housing").stdout.splitlines()

    assert table.split() == [
        *("VERSION", "WEIGHT", "ROLE"),
        *("REQUESTS", "OF", "REQUESTS", "OF", "KEYS"),
    ]
    assert [row.split() for row in rows] == [
        ["3", "94.75%", "champion", "18,213", "91.06%", "90.03%"],
        ["4", "5.25%", "-", "-", "-", "-"],
    ]
    assert keys == "1,204 different keys; the one with the most requests has 2.10% of them"


@pytest.mark.parametrize("more", [{}, {"traffic": None}])
def test_without_counted_requests_there_are_no_real_shares(
    hotswap: Hotswap, service: FakeService, more: dict[str, Any]
) -> None:
    service.script("GET", PATH, Answer(200, {**SPLIT, **more}))

    _, table, *rows = hotswap("split", "housing").stdout.splitlines()

    assert (table.split(), len(rows)) == (["VERSION", "WEIGHT", "ROLE"], 2)


def test_a_split_is_ended(hotswap: Hotswap, service: FakeService) -> None:
    service.script("DELETE", PATH, Answer(200, ENDED))
    ended = hotswap(
        *("split", "housing", "--end", "--reason", "slow", "--expected-generation", "8"),
    )
    assert ended.exit_code == 0, ended.output
    assert ended.stdout == "housing/production is now version 3 alone; its split has ended.\n"
    (received,) = service.requests
    assert received.query == {"reason": ["slow"], "expected_generation": ["8"]}
    assert received.headers["Idempotency-Key"]


def test_an_alias_that_is_not_split_exits_with_1(hotswap: Hotswap, service: FakeService) -> None:
    detail = "The alias 'production' of 'housing' is not split."
    service.script("GET", PATH, problem(404, "split-not-found", detail))
    shown = hotswap("split", "housing")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert detail in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["3"], "is not a version and its percentage"),
        (["3=90", "4=10.125"], "at most two decimals"),
        (["0=90", "4=10"], "is not a version and its percentage"),
        (["3=90", "3=10"], "twice"),
        (["3=90", "4=10", "--by", "column"], "'column' is not one of"),
        (["--end", "3=90", "4=10"], "--end takes no WEIGHTS"),
        (["--end", "--by", "token"], "--by requires WEIGHTS"),
        (["--expected-version", "3"], "--expected-version requires WEIGHTS"),
        (["--reason", "why"], "--reason requires WEIGHTS"),
    ],
)
def test_wrong_usage_sends_nothing(
    hotswap: Hotswap, service: FakeService, arguments: list[str], message: str
) -> None:
    wrong = hotswap("split", "housing", *arguments)
    assert wrong.exit_code == 2
    assert message in wrong.stderr
    assert service.requests == []


def test_aliases_show_their_splits(hotswap: Hotswap, service: FakeService) -> None:
    split = {"by": "header", "arms": SPLIT["arms"]}
    alias = {"alias": "production", "version": 3, "split": split}
    page = {"items": [alias], "page": 1, "page_size": 1, "total": 1}
    service.script("GET", "/models/housing/aliases", Answer(200, page))
    service.script("GET", "/models/housing/aliases/production", Answer(200, alias))
    assert "3: 94.75%, 4: 5.25%" in hotswap("aliases", "housing").stdout
    assert "3: 94.75%, 4: 5.25%" in hotswap("aliases", "housing", "production").stdout


def test_promote_ends_a_split_only_if_told_to(hotswap: Hotswap, service: FakeService) -> None:
    detail = "The alias 'production' of 'housing' is split over the versions 3 and 4."
    path = "/models/housing/5/promote"
    service.script("POST", path, problem(409, "split-active", detail))
    refused = hotswap("promote", "housing", "5")
    assert refused.exit_code == 1
    assert detail in refused.stderr
    answer = {**ENDED, "version": 5}
    service.script("POST", path, Answer(200, answer))
    moved = hotswap("promote", "housing", "5", "--end-split")
    assert moved.stdout == "housing/production is now version 5 alone; its split has ended.\n"
    assert [received.json for received in service.requests] == [{}, {"end_split": True}]


def test_the_client_splits_shows_and_ends(service: FakeService) -> None:
    service.script("PUT", PATH, Answer(200, SPLIT))
    service.script("GET", PATH, Answer(200, SPLIT))
    service.script("DELETE", PATH, Answer(200, ENDED))
    with Registry(service.url, HSW) as registry:
        made = registry.split("housing", {3: 94.75, 4: 5.25}, gates=["rmse < champion"])
        assert registry.get_split("housing") == made
        assert registry.end_split("housing")["version"] == 3
    assert [received.method for received in service.requests] == ["PUT", "GET", "DELETE"]
    assert service.requests[0].json == {
        "weights": {"3": 94.75, "4": 5.25},
        "gates": ["rmse < champion"],
    }
    assert service.requests[2].query == {}


def test_problems_of_splits_have_classes(service: FakeService) -> None:
    service.script("GET", PATH, problem(404, "split-not-found", "It is not split."))
    service.script("POST", "/models/housing/5/promote", problem(409, "split-active", "It is."))
    with Registry(service.url, HSW) as registry:
        with pytest.raises(SplitNotFound):
            registry.get_split("housing")
        with pytest.raises(SplitActive):
            registry.promote("housing", 5, end_split=True)
    assert service.requests[1].json == {"end_split": True}


def test_the_history_shows_the_weights_of_a_change(hotswap: Hotswap, service: FakeService) -> None:
    service.add_version("housing")
    weights = {"3": 94.75, "4": 5.25}
    event = {"seq": 9, "at": "2026-11-23T06:00:00.000Z", "type": "split_changed", "actor": "ann"}
    event |= {"alias": "production", "from_version": None, "to_version": None, "reason": None}
    page = {"items": [{**event, "details": {"weights": weights, "by": "header"}}]}
    page |= {"page": 1, "page_size": 1, "total": 1}
    service.script("GET", "/models/housing/history", Answer(200, page))

    assert "3: 94.75%, 4: 5.25%" in hotswap("history", "housing").stdout
