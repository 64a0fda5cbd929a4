"""``hotswap policy``, ``holdout`` and ``evaluate``, and how failed gates are shown."""

import json

import pytest

from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_service import Answer, FakeService, problem

POLICY = {
    "gates": ["rmse < champion @ 95%"],
    "updated_at": "2026-11-21T06:00:00Z",
    "updated_by": "ann",
}
HOLDOUT = {
    "sha256": "ab" * 32,
    "size": 1234,
    "rows": 4128,
    "columns": ["rooms", "price"],
    "target": "price",
    "created_at": "2026-11-21T06:00:00Z",
    "created_by": "ann",
    "removed_at": None,
}
FAILED = {
    "gate": "rmse < champion @ 95%",
    "passed": False,
    "candidate": 49871.2,
    "champion": 48211.7,
    "interval": [1212.4, 2090.3],
    "measured": "holdout",
    "reason": "it may be noise",
}
REPORT = {
    "passed": False,
    "candidate": {"version": 4, "metrics": {"rmse": 49871.2}, "measured_on": "holdout"},
    "champion": {"version": 3, "metrics": {"rmse": 48211.7}, "measured_on": "holdout"},
    "differences": {"rmse": {"value": 1659.5, "interval": [1212.4, 2090.3]}},
    "gates": [FAILED],
}


def test_policy_shows_the_gates(hotswap: Hotswap, service: FakeService) -> None:
    service.script("GET", "/models/housing/policy", Answer(200, POLICY))
    assert hotswap("policy", "housing").stdout == (
        "rmse < champion @ 95%\nSet by ann, 2026-11-21 06:00:00 UTC.\n"
    )
    assert json.loads(hotswap("policy", "housing", "--json").stdout) == POLICY


def test_gates_can_be_set_and_cleared(hotswap: Hotswap, service: FakeService) -> None:
    service.script("PUT", "/models/housing/policy", Answer(200, POLICY))
    hotswap("policy", "housing", "--set", "r2 > 0.5", "--set", "signature compatible")
    hotswap("policy", "housing", "--clear")
    assert [received.json for received in service.requests] == [
        {"gates": ["r2 > 0.5", "signature compatible"]},
        {"gates": []},
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("policy", "housing", "--set", "rmse =< 3"),
        ("policy", "housing", "--set", "r2 > 0", "--clear"),
        ("holdout", "housing", "no-such-file.csv"),
        ("holdout", "housing", __file__),
        ("holdout", "housing", "--target", "price"),
        ("holdout", "housing", "--na-values", "?"),
        ("holdout", "housing", "--history", "--remove"),
        ("evaluate", "housing"),
    ],
)
def test_wrong_usage_is_reported_before_a_request(
    hotswap: Hotswap, service: FakeService, arguments: tuple[str, ...]
) -> None:
    result = hotswap(*arguments)
    assert result.exit_code == 2, result.output
    assert service.requests == []


def test_an_invalid_gate_is_shown_with_the_position_of_the_fault(hotswap: Hotswap) -> None:
    shown = hotswap("policy", "housing", "--set", "r2 > 0", "--set", "rmse =< 3").stderr
    assert "gates[1]: 'rmse =< 3', at character 6" in shown


def test_a_holdout_is_sent_with_its_media_type(
    hotswap: Hotswap, service: FakeService, tmp_path: object
) -> None:
    service.script("PUT", "/models/housing/holdout", Answer(201, HOLDOUT))
    file = f"{tmp_path}/table.csv"
    with open(file, "wb") as table:  # noqa: PTH123 - a path as it is typed
        table.write(b"rooms,price\n1,2\n")

    shown = hotswap("holdout", "housing", file, "--target", "price").stdout

    received = service.requests[-1]
    assert (received.body, received.query) == (b"rooms,price\n1,2\n", {"target": ["price"]})
    assert received.headers["Content-Type"] == "text/csv"
    assert "4128" in shown


def test_holdouts_can_be_listed_and_removed(hotswap: Hotswap, service: FakeService) -> None:
    page = {"items": [HOLDOUT], "page": 1, "page_size": 50, "total": 1}
    service.script("GET", "/models/housing/holdout", Answer(200, page))
    service.script("DELETE", "/models/housing/holdout", Answer(204))
    assert "ab" * 32 in hotswap("holdout", "housing", "--history").stdout
    assert json.loads(hotswap("holdout", "housing", "--history", "--json").stdout) == [HOLDOUT]
    assert hotswap("holdout", "housing", "--remove").exit_code == 0
    assert service.requests[0].query["history"] == ["true"]


def test_an_evaluation_sets_the_exit_code(hotswap: Hotswap, service: FakeService) -> None:
    service.script("POST", "/models/housing/4/evaluate", Answer(200, REPORT))
    result = hotswap("evaluate", "housing/4", "--gate", "rmse < champion @ 95%")
    assert result.exit_code == 1
    assert "1659.5  1212.4 to 2090.3" in result.stdout
    assert "It cannot be promoted." in result.stdout
    assert service.requests[0].json == {"gates": ["rmse < champion @ 95%"]}

    service.script("POST", "/models/housing/4/evaluate", Answer(200, {**REPORT, "passed": True}))
    assert hotswap("evaluate", "housing/4").exit_code == 0


def test_the_last_evaluation_is_shown_without_measuring(
    hotswap: Hotswap, service: FakeService
) -> None:
    kept = {**REPORT, "evaluated_at": "2026-11-23T02:04:10Z"}
    service.script("GET", "/models/housing/4/verdict", Answer(200, kept))
    result = hotswap("evaluate", "housing/4", "--last")
    assert result.exit_code == 1
    assert "Evaluated at 2026-11-23T02:04:10Z." in result.stdout
    assert "It cannot be promoted." in result.stdout
    refused = hotswap("evaluate", "housing/4", "--last", "--gate", "r2 >= 0.5")
    assert (refused.exit_code, len(service.requests)) == (2, 1)


def test_failed_gates_are_printed_with_their_values(hotswap: Hotswap, service: FakeService) -> None:
    open_ = {"gate": "engine in trees", "passed": True}
    refusal = problem(409, "gate-failed", "It does not pass.", gates=[FAILED, open_])
    service.script("POST", "/models/housing/4/promote", refusal)
    result = hotswap("promote", "housing", "4")
    assert result.exit_code == 1
    assert (
        "  rmse < champion @ 95%: it may be noise (candidate 49871.2, champion 48211.7)"
        in result.stderr
    )
    assert "  engine in trees: passed\n" in result.stderr
