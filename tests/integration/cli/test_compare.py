"""``compare``: versions side by side, what differs marked."""

import json
from typing import Any

import pytest

from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_service import Answer, FakeService, problem


def head(number: int, reference: str, **more: Any) -> dict[str, Any]:
    return {
        "reference": reference,
        "version": number,
        "status": "ready",
        "kind": "forest",
        "task": "regression",
        "aliases": [],
        "description": "",
        "engine": "trees",
        "format": "skops",
        "size": 11507123,
        "created_at": "2026-11-21T06:00:00Z",
        "created_by": "ci",
        **more,
    }


def row(name: str, values: list[Any], *, differs: bool = True, **more: Any) -> dict[str, Any]:
    return {"name": name, "values": values, "missing": [], "differs": differs, **more}


COMPARED = {
    "model": "housing",
    "versions": [head(3, "production", aliases=["production"]), head(5, "5")],
    "metrics": [
        row("rmse", [48211.7, 47000.25], better="lower", best=[5]),
        row("r2", [0.82, 0.82], differs=False, better="higher", best=[]),
    ],
    "measured": [],
    "params": [
        row("depth", [None, 8]),
        row("old", [[1, 2], None], missing=[5]),
        row("steps", ["", "\x1b[2J" + "x" * 200]),
    ],
    "signature": [row("inputs", [["a"], ["a"]], differs=False)],
    "lineage": [],
    "environment": [],
}


@pytest.fixture(autouse=True)
def compared(service: FakeService) -> None:
    service.script("GET", "/models/housing/compare", Answer(200, COMPARED))


def lines(text: str) -> dict[str, str]:
    """Each line with fields by its name; spaces once."""
    found = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    return {line.removeprefix("* ").partition(" ")[0]: line for line in found}


def test_differing_rows_and_best_values_are_marked(hotswap: Hotswap, service: FakeService) -> None:
    result = hotswap("compare", "housing", "production", "5")
    shown = lines(result.stdout)

    assert service.requests[0].query == {"versions": ["production,5"]}
    assert shown["rmse"] == "* rmse 48211.7 47000.2 *"
    assert shown["r2"] == "r2 0.82 0.82"
    assert shown["HOUSING"] == "* HOUSING 3 (PRODUCTION) 5"
    assert shown["aliases"] == "* aliases production -"
    assert shown["kind"] == "kind forest forest"
    assert "Lineage" not in result.stdout


def test_missing_values_are_distinguished_from_null_and_empty_ones(hotswap: Hotswap) -> None:
    shown = lines(hotswap("compare", "housing", "3", "5").stdout)

    assert shown["depth"] == "* depth null 8"
    assert shown["old"] == "* old 1, 2 -"
    assert shown["steps"].startswith('* steps "" \\x1b[2Jxxx')
    assert shown["steps"].endswith("x…")


def test_compare_can_show_only_the_differences(hotswap: Hotswap) -> None:
    shown = hotswap("compare", "housing", "3", "5", "--differences").stdout

    assert "rmse" in shown
    assert "r2" not in shown
    assert "Signature" not in shown


def test_compare_with_json_prints_the_reply_of_the_service(hotswap: Hotswap) -> None:
    assert json.loads(hotswap("compare", "housing", "3", "5", "--json").stdout) == COMPARED


@pytest.mark.parametrize("versions", [[], ["3"], ["3"] * 11, ["3", "aliases"], ["3", "-5"]])
def test_wrong_usage_exits_2_and_sends_nothing(
    hotswap: Hotswap, service: FakeService, versions: list[str]
) -> None:
    result = hotswap("compare", "housing", *versions)
    assert (result.exit_code, result.stdout, service.requests) == (2, "", [])


def test_an_unknown_version_exits_1(hotswap: Hotswap, service: FakeService) -> None:
    refusal = problem(404, "version-not-found", "Model 'housing' has no version 9.")
    service.script("GET", "/models/housing/compare", refusal)
    result = hotswap("compare", "housing", "3", "9")
    assert result.exit_code == 1
    assert "no version 9" in result.stderr
