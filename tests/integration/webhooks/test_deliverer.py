"""Messages are delivered at least once, whatever happens to the receiver and to the keeper."""

import json
import logging
import os
import random
import signal
import threading
import time
from collections import defaultdict
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from standardwebhooks import Webhook

from keeper.deliverer import MOST_AT_A_TIME, OTHER_KEY, UNEXPECTED, Deliverer, in_thread
from registry.deliveries.key_file import KeyFile
from registry.deliveries.sending import Sender
from registry.deliveries.signing import secret_text
from registry.operations.create_webhook import create_webhook
from registry.operations.request_delivery import request_test
from registry.operations.rotate_webhook import rotate_webhook
from registry.reading.pages import Paging
from registry.reading.webhooks import delivery_counts, list_deliveries
from registry.storage.history import record
from registry.storage.tables import utc_now
from registry.storage.webhook_tables import DeliveryRow, WebhookRow
from tests.integration.webhooks.processes import LOCAL, delivering
from tests.receivers import OK, Receiver, status


@pytest.fixture
def keys(tmp_path):
    return KeyFile(tmp_path / "webhooks.key")


@pytest.fixture
def start(database, keys):
    """Starts a deliverer, which looks often."""
    started = []

    def start(public_url="https://models.example.com"):
        deliverer = Deliverer(
            database, Sender(LOCAL, seconds=5.0), keys, public_url, look_seconds=0.02
        )
        deliverer.start()
        started.append(deliverer)
        return deliverer

    yield start
    for deliverer in started:
        deliverer.close()


def make(database, keys, receiver, events=("*",), path="/hook"):
    return create_webhook(database, keys, LOCAL, receiver.url(path), events, actor="ann")


def happen(database, type_="model_updated", **more):
    with database.write() as session:
        return record(session, type_, actor="ann", **more).seq


def deliveries(database, webhook_id):
    with database.read() as session:
        return list_deliveries(session, webhook_id, Paging(page_size=200))["items"]


def wait_until(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def states(database, webhook_id):
    return {one["state"] for one in deliveries(database, webhook_id)}


def make_due(database):
    """As if the time until the next attempts had passed."""
    with database.write(announce=False) as session:
        session.execute(
            update(DeliveryRow).where(DeliveryRow.state == "waiting").values(due_at=utc_now())
        )


def test_an_event_arrives_signed_and_is_verified_by_the_library_of_the_standard(
    database, keys, start
):
    with Receiver() as receiver:
        made = make(database, keys, receiver)
        seq = happen(database, "token_created", reason="for CI")
        start()
        (message,) = receiver.wait_for(1)
        wait_until(lambda: states(database, made["id"]) == {"delivered"})

    body = Webhook(made["secret"]).verify(message.body, message.headers)
    assert body["type"] == "token_created"
    assert body["data"]["event"] == seq
    assert body["data"]["reason"] == "for CI"
    assert body["data"]["link"] == "https://models.example.com/history"
    (delivery,) = deliveries(database, made["id"])
    assert delivery["message_id"] == message.headers["webhook-id"]
    with database.read() as session:
        assert delivery_counts(session)["delivered"] == 1


def test_after_a_rotation_both_secrets_verify_and_later_only_the_new_one(database, keys, start):
    with Receiver() as receiver:
        made = make(database, keys, receiver, events=["promoted"])
        rotated = rotate_webhook(database, keys, made["id"], actor="ann")
        request_test(database, made["id"])
        start()
        (message,) = receiver.wait_for(1)

    for shown in (made, rotated):
        Webhook(shown["secret"]).verify(message.body, message.headers)
    assert len(message.headers["webhook-signature"].split(" ")) == 2


def test_after_a_rotation_by_an_earlier_release_both_secrets_verify(either_database, keys):
    """They kept the salt."""
    with Receiver() as receiver:
        made = make(either_database, keys, receiver, events=["promoted"])
        with either_database.write() as session:
            row = session.get_one(WebhookRow, made["id"])
            row.rotation, row.previous_until = 1, utc_now() + timedelta(hours=1)
            rotated = secret_text(keys.read().secret(row.salt, 1))
        request_test(either_database, made["id"])
        deliverer = Deliverer(either_database, Sender(LOCAL), keys, "", look_seconds=0.02)
        deliverer.start()
        (message,) = receiver.wait_for(1)
        deliverer.close()

    for secret in (made["secret"], rotated):
        Webhook(secret).verify(message.body, message.headers)


def test_messages_to_a_webhook_of_another_key_are_not_sent(database, keys, start, tmp_path):
    with Receiver() as receiver:
        made = make(database, keys, receiver)
        (tmp_path / "webhooks.key").unlink()
        make(database, keys, receiver, events=["promoted"])
        request_test(database, made["id"])
        start()
        wait_until(lambda: deliveries(database, made["id"])[-1]["last_error"] == OTHER_KEY)

        assert receiver.connections == 0


def test_a_receiver_that_is_down_receives_every_event_afterwards(database, keys, start):
    with Receiver() as receiver:
        port = receiver.port
        made = make(database, keys, receiver)
    expected = {happen(database) for _ in range(3)}
    start()
    # It is down for the first attempt, and those after 5 s, 5 min and 30 min: for an hour.
    deadline = time.monotonic() + 60
    while not _all_tried(database, made["id"], len(expected), attempts=4):
        assert time.monotonic() < deadline
        make_due(database)
        time.sleep(0.1)
    ids = {one["message_id"] for one in deliveries(database, made["id"])}

    with Receiver(port=port) as receiver:
        make_due(database)
        messages = receiver.wait_for(3)
        wait_until(lambda: states(database, made["id"]) == {"delivered"})

    assert {json.loads(message.body)["data"]["event"] for message in messages} == expected
    assert {message.headers["webhook-id"] for message in messages} == ids


def _all_tried(database, webhook_id, count, *, attempts):
    found = deliveries(database, webhook_id)
    return len(found) == count and all(
        one["attempts"] >= attempts and one["last_error"] for one in found
    )


def test_slow_receivers_occupy_a_sender_each_and_no_more(database, keys, start):
    going, most, lock = [], [0], threading.Lock()

    def answer(message):
        with lock:
            going.append(message.headers["host"])
            most[0] = max(most[0], len(going))
            assert len(set(going)) == len(going), "two messages at a time to one host"
        time.sleep(0.2)
        with lock:
            going.remove(message.headers["host"])
        return OK

    receivers = [Receiver(answer, host=f"127.0.0.{number}") for number in range(2, 8)]
    made = [make(database, keys, receiver, events=["promoted"]) for receiver in receivers]
    for one in made:
        request_test(database, one["id"])
        request_test(database, one["id"])
    start()
    for receiver in receivers:
        receiver.wait_for(2)
    for one in made:
        wait_until(lambda one=one: states(database, one["id"]) == {"delivered"})
    for receiver in receivers:
        receiver.close()

    assert most[0] == MOST_AT_A_TIME


def test_a_receiver_that_fails_does_not_delay_the_others(database, keys, start):
    released = threading.Event()

    def hang(_):
        released.wait(10)
        return OK

    with Receiver(hang) as slow, Receiver(host="127.0.0.2") as quick:
        make(database, keys, slow)
        make(database, keys, quick)
        start()
        began = time.monotonic()
        for count in range(1, 4):
            happen(database)
            quick.wait_for(count)
        assert time.monotonic() - began < 2
        released.set()


def test_neither_secrets_nor_urls_are_logged(database, keys, start, caplog):
    caplog.set_level(logging.DEBUG)
    answers = iter([status(500), OK])
    with Receiver(lambda _: next(answers)) as receiver:
        made = make(database, keys, receiver, path="/very-secret?key=also-secret")
        request_test(database, made["id"])
        start()
        receiver.wait_for(1)
        wait_until(lambda: deliveries(database, made["id"])[0]["last_status"] == 500)
        make_due(database)
        wait_until(lambda: states(database, made["id"]) == {"delivered"})

    assert f"to webhook {made['id']}, attempt 1: 500" in caplog.text
    assert f"to webhook {made['id']}, attempt 2: 204" in caplog.text
    assert "secret" not in caplog.text
    assert made["secret"].removeprefix("whsec_") not in caplog.text


class Broken:
    """A sender with a fault."""

    def send(self, *_):
        raise OverflowError("very-secret")


@pytest.mark.parametrize("is_key_damaged", [False, True])
def test_whatever_sending_raises_is_a_failed_attempt(
    either_database, keys, tmp_path, caplog, is_key_damaged
):
    with Receiver() as receiver:
        made = make(either_database, keys, receiver)
    request_test(either_database, made["id"])
    error = UNEXPECTED
    if is_key_damaged:
        (tmp_path / "webhooks.key").write_text("no key")
        error = "The file with the key that signs webhooks is unavailable"
    deliverer = Deliverer(either_database, Broken(), keys, "", look_seconds=0.02)
    deliverer.start()
    wait_until(lambda: deliveries(either_database, made["id"])[0]["last_error"])
    deliverer.close()

    (delivery,) = deliveries(either_database, made["id"])
    assert (delivery["state"], delivery["attempts"]) == ("waiting", 1)
    assert delivery["last_error"].startswith(error)
    assert f"to webhook {made['id']}, attempt 1: {error}" in caplog.text


def test_a_thread_that_cannot_be_started_does_not_keep_a_receiver_from_messages(
    either_database, keys
):
    tried = []

    def begin(call):
        tried.append(call)
        if len(tried) == 1:
            raise RuntimeError("can't start new thread")
        in_thread(call)

    with Receiver() as receiver:
        made = make(either_database, keys, receiver)
        request_test(either_database, made["id"])
        deliverer = Deliverer(
            either_database,
            Sender(LOCAL),
            keys,
            "",
            look_seconds=0.02,
            rest_seconds=0.05,
            begin=begin,
        )
        deliverer.start()
        wait_until(lambda: tried)
        make_due(either_database)
        receiver.wait_for(1)
        wait_until(lambda: states(either_database, made["id"]) == {"delivered"})
        deliverer.close()


def test_deliveries_stop_at_once(database, keys, start):
    make(database, keys, Receiver())
    deliverer = start()
    began = time.monotonic()
    deliverer.close()

    assert time.monotonic() - began < 2


def test_deliveries_go_on_after_a_failure_of_the_database(either_database, keys):
    with Receiver() as receiver:
        made = make(either_database, keys, receiver)
        with either_database.write() as session:
            session.connection().exec_driver_sql("ALTER TABLE fan_outs RENAME TO away")
        deliverer = Deliverer(
            either_database, Sender(LOCAL), keys, "", look_seconds=0.02, rest_seconds=0.05
        )
        deliverer.start()
        happen(either_database)
        time.sleep(0.2)
        assert receiver.messages == []
        with either_database.write() as session:
            session.connection().exec_driver_sql("ALTER TABLE away RENAME TO fan_outs")
        receiver.wait_for(1)
        wait_until(lambda: states(either_database, made["id"]) == {"delivered"})
        deliverer.close()


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_every_event_arrives_although_the_sender_is_killed_again_and_again(
    database, database_url, keys, tmp_path, kills
):
    chance = random.Random(7)
    with Receiver(lambda _: _sometimes(chance)) as receiver:
        made = make(database, keys, receiver)
        committed = set()
        for _ in range(kills):
            process = delivering(database_url, tmp_path / "webhooks.key", 0.3)
            for _ in range(3):
                committed.add(happen(database))
                _roll_back(database)
            time.sleep(chance.uniform(0.0, 0.4))
            make_due(database)
            time.sleep(chance.uniform(0.0, 0.1))
            os.kill(process.pid, signal.SIGKILL)
            process.join(10)
        last = delivering(database_url, tmp_path / "webhooks.key", 0.3)
        deadline = time.monotonic() + 60
        while not _all_delivered(database, made["id"], len(committed)):
            assert time.monotonic() < deadline
            make_due(database)
            time.sleep(0.2)
        last.kill()
        last.join(10)
        messages = list(receiver.messages)

    ids = defaultdict(set)
    for message in messages:
        body = Webhook(made["secret"]).verify(message.body, message.headers)
        assert body["data"]["reason"] != "rolled back"
        ids[body["data"]["event"]].add(message.headers["webhook-id"])
    assert set(ids) == committed
    assert all(len(of_event) == 1 for of_event in ids.values())
    assert len({next(iter(of_event)) for of_event in ids.values()}) == len(committed)


def _sometimes(chance):
    """Most often it works; sometimes the answer is late, an error, or none at all."""
    draw = chance.random()
    if draw < 0.2:
        time.sleep(0.1)
    return status(503) if 0.2 < draw < 0.3 else b"" if 0.3 < draw < 0.4 else OK


def _roll_back(database):
    with suppress(RuntimeError), database.write() as session:
        record(session, "model_updated", actor="ann", reason="rolled back")
        raise RuntimeError


def _all_delivered(database, webhook_id, count):
    with database.read() as session:
        rows = session.scalars(
            select(DeliveryRow.state).where(DeliveryRow.webhook_id == webhook_id)
        ).all()
    return rows == ["delivered"] * count


def test_the_lease_is_longer_than_an_attempt():
    from keeper.deliverer import LEASE
    from registry.deliveries.sending import SECONDS

    assert timedelta(seconds=3 * SECONDS) < LEASE
