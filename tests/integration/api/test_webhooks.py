"""The routes of webhooks."""

import stat
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from registry.deliveries.sending import Outcome
from registry.operations.claim_deliveries import claim_deliveries
from registry.operations.finish_delivery import finish_delivery
from tests.integration.api.conftest import check_problem, places

MINUTE = timedelta(minutes=1)
URL = "https://hooks.example.com/services/T0/in-the-path?key=in-the-query"


@pytest.fixture
def webhook(admin):
    """A webhook, which no other test uses; deleted after the test."""
    made = admin.post(
        "/webhooks", json={"url": URL, "events": ["promoted", "alert.*"], "models": ["housing*"]}
    )
    assert made.status_code == 201, made.text
    yield made.json
    admin.delete(f"/webhooks/{made.json['id']}")


def test_a_secret_is_shown_once_at_creation(service, admin, webhook):
    secret = webhook.pop("secret")

    assert secret.startswith("whsec_")
    assert {key: webhook[key] for key in ("url", "events", "models", "enabled")} == {
        "url": URL,
        "events": ["promoted", "alert.*"],
        "models": ["housing*"],
        "enabled": True,
    }
    listed, shown = admin.get("/webhooks"), admin.get(f"/webhooks/{webhook['id']}")
    assert listed.json["items"][0] == shown.json == webhook
    assert secret not in listed.text
    key = service.data / "webhooks.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_the_secret_is_in_no_file_of_the_data_directory(service, admin, webhook):
    rotated = admin.post(f"/webhooks/{webhook['id']}/rotate").json
    secrets = [
        form
        for shown in (webhook["secret"], rotated["secret"])
        for form in (shown.encode(), shown.removeprefix("whsec_").encode())
    ]
    files = [path for path in service.data.rglob("*") if path.is_file()]

    assert files
    for path in files:
        content = path.read_bytes()
        assert not any(secret in content for secret in secrets), path


def test_the_history_does_not_contain_the_secret_parts_of_a_url(admin, webhook):
    events = admin.get("/history?type=webhook_created").text

    assert "https://hooks.example.com" in events
    assert "in-the-path" not in events
    assert "in-the-query" not in events
    assert webhook["secret"] not in events


@pytest.mark.parametrize(
    ("fields", "slug", "place"),
    [
        ({"url": "https://169.254.169.254/latest/"}, "webhook-refused", "url"),
        ({"url": "https://[::ffff:127.0.0.1]/"}, "webhook-refused", "url"),
        ({"url": "http://hooks.example.com/"}, "webhook-refused", "url"),
        ({"url": "https://ann:secret@hooks.example.com/"}, "webhook-refused", "url"),
        ({"url": "https://hooks.example.com/\r\nX-Other: 1"}, "webhook-refused", "url"),
        ({"url": "https://hooks.example.com/" + "a" * 2000}, "body-refused", "url"),
        ({"url": None}, "body-refused", "url"),
        ({"events": []}, "webhook-refused", "events"),
        ({"events": ["promotd"]}, "webhook-refused", "events[0]"),
        ({"events": ["promoted"] * 51}, "body-refused", "events"),
        ({"models": []}, "webhook-refused", "models"),
        ({"secret": "mine"}, "body-refused", "secret"),
    ],
)
def test_a_webhook_that_is_not_acceptable_is_refused(admin, webhook, fields, slug, place):
    created = admin.post("/webhooks", json={"url": URL, "events": ["*"], **fields})
    changed = admin.patch(f"/webhooks/{webhook['id']}", json=fields)

    for answer in (created, changed):
        check_problem(answer, 422, slug)
        assert places(answer) == [place]


def test_a_refusal_does_not_repeat_the_password_of_a_url(admin):
    answer = admin.post(
        "/webhooks", json={"url": "https://ann:pass-word@hooks.example.com/", "events": ["*"]}
    )

    check_problem(answer, 422, "webhook-refused")
    assert "pass-word" not in answer.text


def test_a_webhook_is_changed_disabled_and_enabled(admin, webhook):
    path = f"/webhooks/{webhook['id']}"

    changed = admin.patch(path, json={"url": "https://other.example.com/", "models": None}).json
    disabled = admin.patch(path, json={"enabled": False}).json
    refused = admin.post(f"{path}/test")
    enabled = admin.patch(path, json={"enabled": True}).json

    assert (changed["url"], changed["models"]) == ("https://other.example.com/", None)
    assert changed["events"] == ["promoted", "alert.*"]
    assert (disabled["enabled"], disabled["disabled_why"]) == (
        False,
        f"Disabled by {webhook['created_by']}.",
    )
    check_problem(refused, 409, "webhook-disabled")
    assert (enabled["enabled"], enabled["disabled_at"]) == (True, None)


def test_a_rotation_shows_a_new_secret_and_until_when_the_old_one_is_valid(admin, webhook):
    rotated = admin.post(f"/webhooks/{webhook['id']}/rotate")

    assert rotated.status_code == 200
    assert rotated.json["secret"] != webhook["secret"]
    assert rotated.json["previous_secret_until"] > webhook["created_at"]


def test_messages_are_listed_and_sent_again(service, admin, webhook):
    path = f"/webhooks/{webhook['id']}"
    first = admin.post(f"{path}/test")
    admin.post(f"{path}/test")
    assert first.status_code == 202
    database = service.services.database
    (claim,) = claim_deliveries(database, 1, (), MINUTE)
    finish_delivery(database, claim, Outcome("delivered", 0.1, status=204), lambda: 0.5)

    page = admin.get(f"{path}/deliveries").json
    assert [one["state"] for one in page["items"]] == ["waiting", "delivered"]
    delivered = page["items"][1]
    assert set(delivered) == set(first.json)
    assert (delivered["event"], delivered["seq"], delivered["last_status"]) == (
        "webhook.test",
        None,
        204,
    )
    assert admin.get(f"{path}/deliveries?state=failed").json["total"] == 0
    newest = admin.get(f"{path}/deliveries?page_size=1").json
    rest = admin.get(f"{path}/deliveries?after={newest['next']}").json
    assert [one["id"] for one in rest["items"]] == [delivered["id"]]

    again = admin.post(f"{path}/deliveries/{delivered['id']}/retry")

    assert again.status_code == 202
    assert (again.json["state"], again.json["message_id"]) == ("waiting", delivered["message_id"])
    check_problem(admin.get(f"{path}/deliveries?state=lost"), 400, "parameter-malformed")


def test_attempts_are_counted_for_prometheus(service, admin, webhook):
    admin.post(f"/webhooks/{webhook['id']}/test")
    before = _counts(admin)
    database = service.services.database
    (claim,) = claim_deliveries(database, 1, (), MINUTE)
    finish_delivery(database, claim, Outcome("refused", 0.0, error="no"), lambda: 0.5)

    after = _counts(admin)
    assert set(after) == {"delivered", "failed", "gone", "refused"}
    assert after == before | {"refused": before["refused"] + 1}


def _counts(admin):
    families = text_string_to_metric_families(admin.get("/metrics").text)
    return {
        sample.labels["result"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "hotswap_webhook_deliveries_total"
    }


def test_a_webhook_that_is_not_there_is_not_found(admin, webhook):
    assert admin.delete(f"/webhooks/{webhook['id']}").status_code == 204

    for number in (webhook["id"], "0", "x", "9" * 30, "٣", "-1"):
        path = f"/webhooks/{number}"
        for answer in (
            admin.get(path),
            admin.patch(path, json={"enabled": False}),
            admin.delete(path),
            admin.post(f"{path}/rotate"),
            admin.post(f"{path}/test"),
            admin.get(f"{path}/deliveries"),
            admin.post(f"{path}/deliveries/1/retry"),
        ):
            check_problem(answer, 404, "webhook-not-found")


def test_a_message_that_is_not_there_is_not_found(admin, webhook):
    for number in ("1000000", "x", "9" * 30):
        answer = admin.post(f"/webhooks/{webhook['id']}/deliveries/{number}/retry")
        check_problem(answer, 404, "delivery-not-found")


def test_an_admin_of_some_models_has_no_webhooks(service, webhook):
    limited = service.caller("admin", models=["housing*"])

    check_problem(limited.get("/webhooks"), 403, "forbidden")
    check_problem(limited.post("/webhooks", json={"url": URL, "events": ["*"]}), 403, "forbidden")
    check_problem(limited.get(f"/webhooks/{webhook['id']}/deliveries"), 403, "forbidden")


def test_the_setting_allows_hosts_and_networks(make_app):
    service = make_app(webhook_allow="ci.internal, 127.0.0.0/8")

    for url in ("http://ci.internal:8080/hook", "http://127.0.0.1:1/", "https://127.9.9.9/"):
        made = service.admin.post("/webhooks", json={"url": url, "events": ["*"]})
        assert made.status_code == 201, made.text
    refused = service.admin.post("/webhooks", json={"url": "http://10.0.0.1/", "events": ["*"]})
    check_problem(refused, 422, "webhook-refused")
