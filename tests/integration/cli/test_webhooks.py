"""``hotswap webhooks``, and the requests of the client behind it."""

import json

import pytest

from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_service import Answer, FakeService

WEBHOOK = {
    "id": 3,
    "url": "https://hooks.example.com/models",
    "events": ["promoted", "alert.*"],
    "models": None,
    "enabled": True,
    "disabled_at": None,
    "disabled_why": None,
    "failing_since": None,
    "previous_secret_until": None,
    "created_at": "2026-11-23T06:00:00.000Z",
    "created_by": "ann",
}
MADE = WEBHOOK | {"secret": "whsec_abc"}
DELIVERY = {
    "id": 41,
    "message_id": "msg_1",
    "event": "promoted",
    "seq": 118,
    "model": "housing",
    "state": "waiting",
    "attempts": 2,
    "created_at": "2026-11-23T06:00:00.000Z",
    "next_at": "2026-11-23T06:05:00.000Z",
    "last_at": "2026-11-23T06:00:05.000Z",
    "last_status": None,
    "last_error": "no answer in time",
}


def page(*items: dict[str, object]) -> Answer:
    return Answer(200, {"items": list(items), "page": 1, "page_size": 200, "total": len(items)})


def test_a_webhook_is_created_and_its_secret_shown(hotswap: Hotswap, service: FakeService) -> None:
    service.script("POST", "/webhooks", Answer(201, MADE))

    shown = hotswap(
        "webhooks", "create", MADE["url"], "--event", "promoted", "--event", "alert.*",
        "--model", "housing*",
    )  # fmt: skip

    assert shown.exit_code == 0, shown.output
    assert "whsec_abc" in shown.stdout
    assert "cannot be shown again" in shown.stderr
    assert json.loads(service.requests[-1].body) == {
        "url": MADE["url"],
        "events": ["promoted", "alert.*"],
        "models": ["housing*"],
    }


def test_webhooks_are_listed_with_their_state(hotswap: Hotswap, service: FakeService) -> None:
    failing = WEBHOOK | {"id": 2, "failing_since": "2026-11-23T05:00:00.000Z"}
    off = WEBHOOK | {"id": 1, "enabled": False, "disabled_why": "Every message has failed."}
    service.script("GET", "/webhooks", page(WEBHOOK, failing, off))

    shown = hotswap("webhooks", "list")

    assert shown.exit_code == 0, shown.output
    heading, *lines = shown.stdout.splitlines()
    assert heading.split() == ["ID", "URL", "EVENTS", "MODELS", "STATE"]
    assert [line.split()[0] for line in lines] == ["3", "2", "1"]
    assert lines[0].rstrip().endswith("enabled")
    assert "failing since 2026-11-23" in lines[1]
    assert "disabled: Every message has failed." in lines[2]
    assert hotswap("webhooks", "list", "--json").exit_code == 0


def test_messages_are_listed_with_their_outcome(hotswap: Hotswap, service: FakeService) -> None:
    done = DELIVERY | {"id": 40, "state": "delivered", "last_error": None, "last_status": 204}
    service.script("GET", "/webhooks/3/deliveries", page(DELIVERY, done))

    shown = hotswap("webhooks", "deliveries", "3", "--state", "waiting", "--limit", "1")

    assert shown.exit_code == 0, shown.output
    assert len(shown.stdout.splitlines()) == 2
    assert "no answer in time" in shown.stdout
    assert service.requests[-1].query["state"] == ["waiting"]
    printed = hotswap("webhooks", "deliveries", "3", "--json")
    assert json.loads(printed.stdout) == [DELIVERY, done]


@pytest.mark.parametrize(
    ("command", "path", "answer"),
    [
        (["rotate", "3"], "/webhooks/3/rotate", Answer(200, MADE)),
        (["test", "3"], "/webhooks/3/test", Answer(202, DELIVERY)),
        (["retry", "3", "41"], "/webhooks/3/deliveries/41/retry", Answer(202, DELIVERY)),
    ],
)
def test_a_verb_is_requested(
    hotswap: Hotswap, service: FakeService, command: list[str], path: str, answer: Answer
) -> None:
    service.script("POST", path, answer)

    shown = hotswap("webhooks", *command)

    assert shown.exit_code == 0, shown.output
    says = "whsec_abc" if command[0] == "rotate" else "Message 41 will be sent soon."
    assert says in shown.stdout
    assert json.loads(hotswap("webhooks", *command, "--json").stdout)["id"] in {3, 41}


@pytest.mark.parametrize(("command", "enabled"), [("enable", True), ("disable", False)])
def test_a_webhook_is_enabled_and_disabled(
    hotswap: Hotswap, service: FakeService, command: str, enabled: bool
) -> None:
    service.script("PATCH", "/webhooks/3", Answer(200, WEBHOOK | {"enabled": enabled}))

    shown = hotswap("webhooks", command, "3")

    assert shown.stdout == f"Webhook 3 is {command}d.\n"
    assert json.loads(service.requests[-1].body) == {"enabled": enabled}


def test_a_webhook_is_deleted(hotswap: Hotswap, service: FakeService) -> None:
    service.script("DELETE", "/webhooks/3", Answer(204, None))

    assert hotswap("webhooks", "delete", "3").stdout == "Webhook 3 was deleted.\n"


def test_a_problem_ends_the_command(hotswap: Hotswap, service: FakeService) -> None:
    problem = {
        "type": "/problems/webhook-not-found",
        "title": "Webhook not found",
        "status": 404,
        "detail": "There is no webhook with the id 3.",
    }
    service.script("POST", "/webhooks/3/test", Answer(404, problem))

    shown = hotswap("webhooks", "test", "3")

    assert shown.exit_code == 1
    assert "There is no webhook with the id 3." in shown.stderr
