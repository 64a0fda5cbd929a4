"""``hotswap alerts``, and the requests of the client behind it."""

import json

from hotswap import Registry
from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_service import HSW, Answer, FakeService

HELD = {
    "id": 7,
    "kind": "held",
    "model": "housing",
    "alias": "production",
    "version": 4,
    "subject": "production",
    "message": "Version 4 waits at 5 %.",
    "evidence": {"requests": 2210},
    "opened_at": "2026-11-23T06:00:00.000Z",
    "closed_at": None,
    "seen_at": None,
    "seen_by": None,
}


def page(*alerts: dict[str, object]) -> Answer:
    return Answer(200, {"items": list(alerts), "page": 1, "page_size": 200, "total": len(alerts)})


def test_open_alerts_of_all_models_are_shown(hotswap: Hotswap, service: FakeService) -> None:
    service.script("GET", "/alerts", page(HELD))

    shown = hotswap("alerts")

    assert shown.exit_code == 0, shown.output
    heading, line = shown.stdout.splitlines()
    assert heading.split()[:4] == ["ID", "OPENED", "KIND", "MODEL"]
    assert line.split()[0] == "7"
    assert "Version 4 waits at 5 %." in line
    assert service.requests[-1].query["open"] == ["true"]


def test_all_alerts_of_a_model_are_printed_as_json(hotswap: Hotswap, service: FakeService) -> None:
    service.script("GET", "/models/housing/watch/alerts", page(HELD))

    shown = hotswap("alerts", "housing", "--all", "--kind", "held", "--json")

    assert json.loads(shown.stdout) == [HELD]
    assert "open" not in service.requests[-1].query
    assert service.requests[-1].query["kind"] == ["held"]


def test_without_alerts_stdout_is_empty(hotswap: Hotswap, service: FakeService) -> None:
    service.script("GET", "/alerts", page())

    shown = hotswap("alerts")

    assert shown.exit_code == 0
    assert shown.stdout == ""
    assert "There are no open alerts." in shown.stderr


def test_an_alert_is_noted_as_seen(hotswap: Hotswap, service: FakeService) -> None:
    service.script("POST", "/alerts/7/seen", Answer(200, {**HELD, "seen_by": "ann"}))

    shown = hotswap("alerts", "--seen", "7")

    assert shown.exit_code == 0, shown.output
    assert "ann" in shown.stdout
    assert hotswap("alerts", "housing", "--seen", "7").exit_code == 2


def test_the_client_repeats_that_an_alert_was_seen(service: FakeService) -> None:
    """It changes nothing if it was noted before."""
    service.script("POST", "/alerts/7/seen", Answer(200, HELD))
    service.script_next("POST", "/alerts/7/seen", Answer(0))

    with Registry(service.url, HSW) as registry:
        assert registry.see_alert(7)["id"] == 7


def test_the_client_lists_closed_alerts(service: FakeService) -> None:
    service.script("GET", "/alerts", page())

    with Registry(service.url, HSW) as registry:
        assert list(registry.alerts(open=False)) == []
    assert service.requests[-1].query["open"] == ["false"]
