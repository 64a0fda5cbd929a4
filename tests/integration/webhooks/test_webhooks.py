"""Webhooks in the database: their secrets, and which events become messages."""

import stat
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from registry.blobs.local import LocalBlobStore
from registry.deliveries.addresses import Allowed
from registry.deliveries.key_file import KeyFile
from registry.deliveries.sending import Outcome
from registry.deliveries.signing import secret_text
from registry.doctor.findings import Installation
from registry.doctor.webhooks import check_webhooks
from registry.errors import (
    DeliveryNotFound,
    TooManyWebhooks,
    WebhookDisabled,
    WebhookKeyUnavailable,
    WebhookNotFound,
    WebhookRefused,
)
from registry.operations.change_webhook import change_webhook
from registry.operations.claim_deliveries import claim_deliveries
from registry.operations.create_webhook import MOST_WEBHOOKS, create_webhook
from registry.operations.delete_webhook import delete_webhook
from registry.operations.fan_out_events import fan_out_events
from registry.operations.finish_delivery import (
    FAILED_LONG,
    GONE,
    KEPT,
    finish_delivery,
    forget_deliveries,
)
from registry.operations.request_delivery import request_resend, request_test
from registry.operations.rotate_webhook import rotate_webhook
from registry.reading.pages import Paging
from registry.reading.webhooks import (
    delivery_counts,
    find_webhook,
    list_deliveries,
    list_webhooks,
    webhook_view,
)
from registry.storage.alert_tables import AlertRow
from registry.storage.history import record, verify
from registry.storage.tables import EventRow, utc_now
from registry.storage.webhook_tables import DeliveryRow, WebhookRow
from tests.factories import add_versions

URL = "https://hooks.example.com/services/T0/very-secret?key=also-secret"
LEASE = timedelta(seconds=60)


@pytest.fixture
def keys(tmp_path):
    return KeyFile(tmp_path / "data" / "webhooks.key")


def make(database, keys, url=URL, events=("*",), **more):
    return create_webhook(database, keys, Allowed(), url, events, actor="ann", **more)


def change(database, webhook_id, **changes):
    return change_webhook(database, Allowed(), webhook_id, actor="bob", **changes)


def happen(database, *types, model=None):
    with database.write() as session:
        for type_ in types:
            record(session, type_, actor="ann", model=model)


def fan_out(database):
    while fan_out_events(database):
        pass


def messages(database, webhook_id):
    """The events of the messages to the webhook, oldest first."""
    with database.read() as session:
        items = list_deliveries(session, webhook_id, Paging(page_size=200))["items"]
    return [item["event"] for item in reversed(items)]


def claim(database, most=4, busy=()):
    return list(claim_deliveries(database, most, busy, LEASE))


def finish(database, claimed, result, **more):
    return finish_delivery(database, claimed, Outcome(result, 0.1, **more), lambda: 0.5)


def only_delivery(database, webhook_id):
    with database.read() as session:
        (item,) = list_deliveries(session, webhook_id, Paging())["items"]
    return item


def make_due(database):
    with database.write() as session:
        session.execute(update(DeliveryRow).values(due_at=utc_now()))


def events_of(database, type_):
    with database.read() as session:
        return session.scalars(select(EventRow).where(EventRow.type == type_)).all()


def test_a_secret_is_shown_once_and_is_not_stored(database, keys, tmp_path):
    made = make(database, keys)

    assert made["secret"].startswith("whsec_")
    with database.read() as session:
        (listed,) = list_webhooks(session, Paging())["items"]
        row = session.get_one(WebhookRow, made["id"])
        key = keys.read()
        assert secret_text(key.secret(row.salt, 0)) == made["secret"]
        assert key.value not in (row.salt, row.key.encode())
    assert listed == {name: value for name, value in made.items() if name != "secret"}
    assert stat.S_IMODE((tmp_path / "data" / "webhooks.key").stat().st_mode) == 0o600


def test_the_history_names_a_webhook_without_the_secrets_of_its_url(database, keys):
    made = make(database, keys, models=["housing*"])
    change(database, made["id"], url=f"{URL}&more=secret", events=["promoted"])
    rotate_webhook(database, keys, made["id"], actor="ann")
    delete_webhook(database, made["id"], actor="ann")

    with database.read() as session:
        events = session.scalars(select(EventRow).order_by(EventRow.seq)).all()
        verify(session)
    assert [event.type for event in events] == [
        "webhook_created",
        "webhook_changed",
        "webhook_changed",
        "webhook_deleted",
    ]
    assert events[0].details == {
        "webhook_id": made["id"],
        "origin": "https://hooks.example.com",
        "events": ["*"],
        "models": ["housing*"],
    }
    assert "secret" not in str([event.details for event in events])


def test_a_rotation_waits_for_a_change_at_the_same_time(database, keys):
    made = make(database, keys)
    with ThreadPoolExecutor(1) as threads:
        with database.write() as session:
            find_webhook(session, made["id"], lock=True)
            rotating = threads.submit(rotate_webhook, database, keys, made["id"], actor="bob")
            time.sleep(0.3)
            record(session, "webhook_changed", actor="ann")

        assert rotating.result(10)["secret"] != made["secret"]


def test_two_webhooks_have_different_secrets_and_so_has_a_rotated_one(database, keys):
    first, second = make(database, keys), make(database, keys)
    rotated = rotate_webhook(database, keys, first["id"], actor="ann")

    assert len({first["secret"], second["secret"], rotated["secret"]}) == 3
    assert rotated["previous_secret_until"] is not None
    assert first["previous_secret_until"] is None


def test_a_rotation_after_an_older_backup_was_restored_gives_no_secret_that_was_replaced(
    either_database, keys
):
    made = make(either_database, keys)
    with either_database.read() as session:
        kept = session.get_one(WebhookRow, made["id"])
    before = [rotate_webhook(either_database, keys, made["id"], actor="ann") for _ in range(2)]
    with either_database.write() as session:
        row = session.get_one(WebhookRow, made["id"])
        row.salt, row.previous_salt, row.rotation = kept.salt, kept.previous_salt, kept.rotation

    rotated = rotate_webhook(either_database, keys, made["id"], actor="ann")

    assert rotated["secret"] not in {made["secret"], *(one["secret"] for one in before)}


def test_a_webhook_whose_key_was_lost_gets_a_secret_of_a_new_key(database, keys, tmp_path):
    made = make(database, keys)
    (tmp_path / "data" / "webhooks.key").unlink()

    rotated = rotate_webhook(database, keys, made["id"], actor="ann")

    assert rotated["secret"] != made["secret"]
    assert rotated["previous_secret_until"] is None
    with database.read() as session:
        assert session.get_one(WebhookRow, made["id"]).key == keys.read().fingerprint


def test_a_damaged_key_is_not_replaced(either_database, keys, tmp_path):
    make(either_database, keys)
    file = tmp_path / "data" / "webhooks.key"
    for content in ("", "abc", "zz" * 32, "00" * 31):
        file.write_text(content)
        with pytest.raises(WebhookKeyUnavailable, match="does not contain a key"):
            make(either_database, keys)
        assert file.read_text() == content


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "http://hooks.example.com/"}, "url"),
        ({"url": "https://a:b@hooks.example.com/"}, "url"),
        ({"events": []}, "events"),
        ({"events": ["promoted", "promotd"]}, "events[1]"),
        ({"events": ["rollout.[a-z]*"]}, "events[0]"),
        ({"models": []}, "models"),
        ({"models": ["a b"]}, "models[0]"),
    ],
)
def test_a_webhook_that_is_not_acceptable_is_refused(either_database, keys, fields, place):
    with pytest.raises(WebhookRefused) as raised:
        make(either_database, keys, **fields)

    assert [fault.at for fault in raised.value.faults] == [place]
    made = make(either_database, keys)
    with pytest.raises(WebhookRefused):
        change(either_database, made["id"], **fields)


def test_the_number_of_webhooks_is_limited(either_database, keys):
    made = make(either_database, keys)
    with either_database.write() as session:
        row = session.get_one(WebhookRow, made["id"])
        for _ in range(MOST_WEBHOOKS - 1):
            session.add(
                WebhookRow(
                    **{
                        column: getattr(row, column)
                        for column in ("url", "events", "since_seq", "salt", "key", "created_by")
                    }
                )
            )

    with pytest.raises(TooManyWebhooks, match="100 webhooks"):
        make(either_database, keys)


def test_events_become_messages_to_the_webhooks_that_match(database, keys):
    add_versions(database, "housing")
    add_versions(database, "iris")
    happen(database, "promoted", model="housing")
    every = make(database, keys)
    happen(database, "promoted", model="housing")
    chosen = make(database, keys, events=["promoted", "rollout.*"], models=["HOUS*"])
    happen(database, "promoted", "rollout_held", "rolled_back", model="housing")
    happen(database, "promoted", model="iris")
    happen(database, "token_created")

    fan_out(database)

    assert messages(database, chosen["id"]) == ["promoted", "rollout.held"]
    assert messages(database, every["id"]) == [
        "promoted",
        "webhook.created",
        "promoted",
        "rollout.held",
        "rolled_back",
        "promoted",
        "token_created",
    ]


def test_each_event_becomes_a_message_once(database, keys):
    made = make(database, keys)
    for _ in range(3):
        happen(database, "model_updated")
        fan_out(database)
        fan_out(database)

    assert messages(database, made["id"]) == ["model_updated"] * 3
    with database.read() as session:
        ids = session.scalars(select(DeliveryRow.message_id)).all()
    assert len(set(ids)) == 3


def test_what_was_rolled_back_has_no_message(database, keys):
    made = make(database, keys)
    with pytest.raises(RuntimeError):
        _fail_after_an_event(database)

    fan_out(database)

    assert messages(database, made["id"]) == []


def _fail_after_an_event(database):
    with database.write() as session:
        record(session, "promoted", actor="ann")
        raise RuntimeError


def test_more_events_than_fit_into_one_transaction_are_all_found(either_database, keys):
    made = make(either_database, keys)
    happen(either_database, *["model_updated"] * 501)

    assert fan_out_events(either_database) is True
    assert fan_out_events(either_database) is False

    with either_database.read() as session:
        assert list_deliveries(session, made["id"], Paging())["total"] == 501


@pytest.mark.sqlite
def test_nothing_is_written_while_there_is_nothing_to_do(either_database, keys):
    make(either_database, keys)
    with either_database.read() as session:
        watching = session.connection()
        before = watching.exec_driver_sql("PRAGMA data_version").scalar()
        for _ in range(3):
            assert fan_out_events(either_database) is False
            assert claim(either_database) == []
        assert watching.exec_driver_sql("PRAGMA data_version").scalar() == before


def test_a_claimed_message_is_not_claimed_again_before_the_lease_ends(database, keys):
    made = make(database, keys)
    test = request_test(database, made["id"])

    (claimed,) = claim(database)
    assert claim(database) == []
    make_due(database)
    (again,) = claim(database)

    assert (claimed.attempts, again.attempts) == (1, 2)
    assert claimed.message_id == again.message_id == test["message_id"]
    assert (claimed.host, claimed.url) == ("hooks.example.com", URL)


def test_one_message_for_each_host_is_claimed_at_a_time(database, keys):
    for url in (URL, "https://HOOKS.example.com:444/", "https://other.example.com/"):
        made = make(database, keys, url=url)
        request_test(database, made["id"])

    claimed = claim(database)

    assert [one.host for one in claimed] == ["hooks.example.com", "other.example.com"]
    assert claim(database, busy=["hooks.example.com"]) == []
    assert [one.host for one in claim(database)] == ["hooks.example.com"]


def test_at_most_as_many_messages_are_claimed_as_can_be_sent(database, keys):
    for number in range(3):
        made = make(database, keys, url=f"https://hook{number}.example.com/")
        request_test(database, made["id"])

    assert [len(claim(database, most=2)) for _ in range(3)] == [2, 1, 0]


def test_a_delivered_message_has_ended(database, keys):
    made = make(database, keys)
    request_test(database, made["id"])
    (claimed,) = claim(database)

    assert finish(database, claimed, "delivered", status=204) is None

    delivery = only_delivery(database, made["id"])
    assert (delivery["state"], delivery["last_status"], delivery["attempts"]) == (
        "delivered",
        204,
        1,
    )
    assert delivery["next_at"] is None
    make_due(database)
    assert claim(database) == []


def test_a_failed_message_waits_for_its_next_attempt_and_is_given_up_in_the_end(database, keys):
    made = make(database, keys)
    request_test(database, made["id"])
    for attempt in range(1, 11):
        (claimed,) = claim(database)
        assert claimed.attempts == attempt
        finish(database, claimed, "failed", status=500)
        delivery = only_delivery(database, made["id"])
        if attempt == 1:
            assert delivery["state"] == "waiting"
            assert timedelta(seconds=3) < _next(database) < timedelta(seconds=7)
        make_due(database)

    assert delivery["state"] == "failed"
    assert claim(database) == []
    with database.read() as session:
        webhook = webhook_view(find_webhook(session, made["id"]))
        assert delivery_counts(session) == {"delivered": 0, "gone": 0, "failed": 10, "refused": 0}
    assert webhook["enabled"] is True
    assert webhook["failing_since"] is not None


def _next(database):
    with database.read() as session:
        return session.scalar(select(DeliveryRow.due_at)) - utc_now()


def test_a_receiver_can_ask_for_a_later_attempt(database, keys):
    made = make(database, keys)
    request_test(database, made["id"])

    finish(database, claim(database)[0], "failed", status=503, retry_after=timedelta(minutes=10))

    assert timedelta(minutes=9) < _next(database) < timedelta(minutes=11)


def test_a_receiver_that_is_gone_switches_its_webhook_off(database, keys):
    made, other = make(database, keys), make(database, keys, url="https://other.example.com/")
    for _ in range(2):
        request_test(database, made["id"])

    assert finish(database, claim(database)[0], "gone", status=410) == GONE

    with database.read() as session:
        webhook = webhook_view(find_webhook(session, made["id"]))
        (alert,) = session.scalars(select(AlertRow)).all()
        items = list_deliveries(session, made["id"], Paging())["items"]
        assert webhook_view(find_webhook(session, other["id"]))["enabled"] is True
        verify(session)
    assert (webhook["enabled"], webhook["disabled_why"]) == (False, GONE)
    assert (alert.kind, alert.subject, alert.closed_at) == (
        "webhook",
        f"webhook {made['id']}",
        None,
    )
    assert [item["state"] for item in items] == ["failed", "failed"]
    assert events_of(database, "webhook_changed")[-1].reason == GONE
    make_due(database)
    assert claim(database) == []
    with pytest.raises(WebhookDisabled):
        request_test(database, made["id"])
    with pytest.raises(WebhookDisabled):
        request_resend(database, made["id"], items[0]["id"])


def test_a_webhook_that_fails_for_five_days_is_switched_off(database, keys):
    made = make(database, keys)
    for age, why in ((4.9, None), (5.1, FAILED_LONG)):
        with database.write() as session:
            row = session.get_one(WebhookRow, made["id"])
            row.failing_since = utc_now() - timedelta(days=age)
        request_test(database, made["id"])
        assert finish(database, claim(database)[0], "failed", error="x") == why

    with database.read() as session:
        assert session.scalars(select(AlertRow.message)).all() == [
            f"The webhook {made['id']} was switched off. {FAILED_LONG}"
        ]


@pytest.mark.parametrize(("days", "why"), [(1.9, FAILED_LONG), (2.1, None)])
def test_a_failure_after_a_pause_begins_the_time_of_failures_anew(either_database, keys, days, why):
    made = make(either_database, keys)
    finish(either_database, _claimed_test(either_database, made), "failed", error="x")
    with either_database.write() as session:
        session.get_one(WebhookRow, made["id"]).failing_since = utc_now() - timedelta(days=7)
        session.execute(
            update(DeliveryRow).values(state="failed", last_at=utc_now() - timedelta(days=days))
        )

    claimed = _claimed_test(either_database, made)
    assert finish(either_database, claimed, "failed", error="x") == why

    if why is None:
        with either_database.read() as session:
            since = find_webhook(session, made["id"]).failing_since
        assert utc_now() - since < timedelta(minutes=1)


def test_a_success_ends_the_time_of_failures(database, keys):
    made = make(database, keys)
    for result in ("failed", "delivered"):
        request_test(database, made["id"])
        finish(database, claim(database)[0], result)

    with database.read() as session:
        assert find_webhook(session, made["id"]).failing_since is None


def test_an_enabled_webhook_receives_nothing_of_what_happened_meanwhile(database, keys):
    made = make(database, keys, events=["model_updated"])
    finish(database, _claimed_test(database, made), "gone", status=410)
    happen(database, "model_updated")
    fan_out(database)

    enabled = change(database, made["id"], enabled=True)
    happen(database, "model_updated", "model_updated")
    fan_out(database)

    assert (enabled["enabled"], enabled["disabled_why"]) == (True, None)
    assert messages(database, made["id"]) == ["webhook.test", "model_updated", "model_updated"]
    with database.read() as session:
        (alert,) = session.scalars(select(AlertRow)).all()
    assert alert.closed_at is not None


def _claimed_test(database, made):
    request_test(database, made["id"])
    return claim(database)[0]


def test_a_change_that_changes_nothing_is_not_recorded(database, keys):
    made = make(database, keys)

    same = change(database, made["id"], url=URL, events=["*"], models=None, enabled=True)

    assert same == {name: value for name, value in made.items() if name != "secret"}
    assert events_of(database, "webhook_changed") == []


def test_models_can_be_limited_and_freed(database, keys):
    made = make(database, keys)

    assert change(database, made["id"], models=["iris"])["models"] == ["iris"]
    assert change(database, made["id"], events=["promoted"])["models"] == ["iris"]
    assert change(database, made["id"], models=None)["models"] is None


def test_a_message_is_sent_again_with_the_same_id(database, keys):
    made = make(database, keys)
    claimed = _claimed_test(database, made)
    finish(database, claimed, "delivered", status=200)

    again = request_resend(database, made["id"], claimed.delivery_id)

    assert (again["state"], again["attempts"]) == ("waiting", 0)
    (second,) = claim(database)
    assert (second.message_id, second.attempts) == (claimed.message_id, 1)
    finish(database, second, "failed")
    request_resend(database, made["id"], claimed.delivery_id)
    (third,) = claim(database)
    assert third.attempts == 2


def test_a_deleted_webhook_leaves_nothing_and_its_id_is_not_used_again(database, keys):
    made = make(database, keys)
    claimed = _claimed_test(database, made)

    delete_webhook(database, made["id"], actor="ann")
    assert finish(database, claimed, "failed", error="x") is None

    assert make(database, keys)["id"] > made["id"]
    with database.read() as session:
        assert session.scalars(select(DeliveryRow)).all() == []
    for call in (
        lambda: delete_webhook(database, made["id"], actor="ann"),
        lambda: request_test(database, made["id"]),
        lambda: rotate_webhook(database, keys, made["id"], actor="ann"),
        lambda: change(database, made["id"], enabled=False),
    ):
        with pytest.raises(WebhookNotFound):
            call()


def test_a_message_of_another_webhook_is_not_found(either_database, keys):
    first, second = make(either_database, keys), make(either_database, keys)
    test = request_test(either_database, first["id"])

    with pytest.raises(DeliveryNotFound):
        request_resend(either_database, second["id"], test["id"])


def test_messages_that_ended_long_ago_are_forgotten(database, keys):
    made = make(database, keys)
    old, recent, waiting = (request_test(database, made["id"])["id"] for _ in range(3))
    with database.write() as session:
        long_ago = utc_now() - KEPT - timedelta(hours=1)
        session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.id == old)
            .values(state="delivered", due_at=long_ago)
        )
        session.execute(update(DeliveryRow).where(DeliveryRow.id == recent).values(state="failed"))
        session.execute(
            update(DeliveryRow).where(DeliveryRow.id == waiting).values(due_at=long_ago)
        )

    forget_deliveries(database)

    with database.read() as session:
        assert set(session.scalars(select(DeliveryRow.id))) == {recent, waiting}


def test_the_doctor_finds_what_prevents_messages(database, keys, tmp_path):
    installation = Installation(
        tmp_path / "data", database, LocalBlobStore(tmp_path / "data" / "blobs")
    )

    def found():
        return [(one.result, one.message) for one in check_webhooks(installation)]

    assert found() == []
    made = make(database, keys)
    assert found() == [("ok", "1 webhook receives messages")]
    finish(database, _claimed_test(database, made), "failed", error="x")
    ((result, said),) = found()
    assert result == "warning"
    assert said.startswith(f"messages to webhook {made['id']} have failed since ")
    key = (tmp_path / "data" / "webhooks.key").rename(tmp_path / "kept")
    ((result, said),) = found()
    assert (result, said) == (
        "fault",
        f"the key of webhook {made['id']} is not in webhooks.key, so nothing is sent to it",
    )
    key.rename(tmp_path / "data" / "webhooks.key")
    change(database, made["id"], enabled=False)
    assert found() == [("warning", f"webhook {made['id']} is disabled: Disabled by bob.")]
