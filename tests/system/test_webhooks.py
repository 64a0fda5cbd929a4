"""Webhooks of a real service with a real keeper."""

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections import defaultdict
from contextlib import closing

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from benchmarks.swap import constant_model
from tests.receivers import OK, Receiver, status
from tests.system.models import upload
from tests.system.real_server import BIN, free_port, running, wait_until


@pytest.fixture
def serve(tmp_path):
    """Starts a service of this test's own."""

    def serve(**settings):
        command = [BIN / "hotswap", "serve", "--workers", "2"]
        return running(command, tmp_path / "data", free_port(), **settings)

    return serve


def create(server, url, *arguments):
    made = server.hotswap("webhooks", "create", url, *(arguments or ("--event", "*")), "--json")
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)


def deliveries(server, webhook_id):
    return server.call(
        "GET", f"/webhooks/{webhook_id}/deliveries", params={"page_size": 200}
    ).json()["items"]


def make_due(data):
    """As if the time until the next attempts had passed."""
    with closing(sqlite3.connect(data / "registry.db", timeout=30)) as connection:
        connection.execute(
            "UPDATE deliveries SET due_at = '2000-01-01 00:00:00' WHERE state = 'waiting'"
        )
        connection.commit()


@pytest.mark.slow
def test_a_promotion_is_told_and_a_changed_byte_is_found(serve):
    with (
        Receiver() as receiver,
        serve(HOTSWAP_WATCH="1", HOTSWAP_WEBHOOK_ALLOW="127.0.0.1") as server,
    ):
        made = create(server, receiver.url(), "--event", "promoted", "--model", "pl*")
        upload(server, "plane", constant_model(1.0))
        server.call("POST", "/models/plane/1/promote", json={"reason": "first"}).raise_for_status()
        (message,) = receiver.wait_for(1, seconds=60)
        wait_until(
            lambda: [one["state"] for one in deliveries(server, made["id"])] == ["delivered"],
            "it was not delivered",
        )
        shown = server.hotswap("webhooks", "deliveries", str(made["id"]))
        log = server.log.read_text()

    verifier = Webhook(made["secret"])
    data = verifier.verify(message.body, message.headers)["data"]
    assert (data["model"], data["to_version"], data["reason"]) == ("plane", 1, "first")
    for position in range(len(message.body)):
        changed = bytearray(message.body)
        changed[position] ^= 1
        with pytest.raises(WebhookVerificationError):
            verifier.verify(bytes(changed), message.headers)
    assert "delivered" in shown.stdout
    assert receiver.url() not in log
    assert made["secret"] not in log


@pytest.mark.slow
def test_every_event_arrives_although_the_receiver_is_down_and_the_keeper_is_killed(
    serve, kills, tell
):
    """Kills at random moments, while aliases move; the receiver is down for half of them."""
    chance = random.Random(11)
    with Receiver() as receiver:
        url, port = receiver.url(), receiver.port
    answers = defaultdict(int)

    def answer(message):
        answers[message.headers["webhook-id"]] += 1
        if chance.random() < 0.2:
            return status(500)
        return b"" if chance.random() < 0.2 else OK

    with serve(HOTSWAP_WEBHOOK_ALLOW="127.0.0.1") as server:
        made = create(server, url)
        for value in (1.0, 2.0):
            upload(server, "plane", constant_model(value))
        stop, refused = threading.Event(), []
        moving = threading.Thread(target=_move, args=(server, stop, refused))
        moving.start()
        receiver = None
        for kill in range(kills):
            if kill == kills // 2:
                receiver = Receiver(answer, port=port)
            with _keeping(server) as keeper:
                time.sleep(chance.uniform(0.5, 3.0))
                make_due(server.data)
                time.sleep(chance.uniform(0.0, 0.3))
                os.kill(keeper.pid, signal.SIGKILL)
        stop.set()
        moving.join(60)
        with _keeping(server) as keeper:
            deadline = time.monotonic() + 120
            while not _all_delivered(server, made["id"]):
                assert time.monotonic() < deadline, "events are missing"
                make_due(server.data)
                time.sleep(0.3)
            keeper.terminate()
            keeper.wait(30)
        events = _history(server)
        receiver.close()

    assert refused, "no change was refused and rolled back"
    ids = defaultdict(set)
    for message in receiver.messages:
        body = Webhook(made["secret"]).verify(message.body, message.headers)
        ids[body["data"]["event"]].add(message.headers["webhook-id"])
    assert set(ids) == {seq for seq, _ in events} - _before(events)
    assert all(len(found) == 1 for found in ids.values())
    assert max(answers.values()) > 1, "no message was sent twice, so nothing was shown"
    tell(f"webhooks: {kills} kills, {len(ids)} events, {len(receiver.messages)} messages")


def _before(events):
    """The events up to the creation of the webhook."""
    created = next(seq for seq, type_ in events if type_ == "webhook_created")
    return {seq for seq, _ in events if seq <= created}


def _history(server):
    found, query = [], {"page_size": 200}
    while True:
        page = server.call("GET", "/history", params=query).json()
        found += [(event["seq"], event["type"]) for event in page["items"]]
        if page["next"] is None:
            return found
        query["before"] = page["next"]


def _move(server, stop, refused):
    """Promote the two versions in turn; each second time also ask for what is refused."""
    number = 1
    while not stop.is_set():
        server.call("POST", f"/models/plane/{number}/promote", json={"reason": "turn"})
        number = 3 - number
        answer = server.call(
            "POST", f"/models/plane/{number}/promote", json={"expected_version": 99}
        )
        if answer.status_code == 409:
            refused.append(answer.json()["type"])
        stop.wait(0.3)


def _keeping(server):
    """A keeper beside the service, as a process of its own."""
    return _Keeper(
        [BIN / "hotswap", "watch", "run"],
        env={
            **{name: value for name, value in os.environ.items() if "HOTSWAP" not in name},
            "HOTSWAP_DATA": str(server.data),
            "HOTSWAP_WEBHOOK_ALLOW": "127.0.0.1",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


class _Keeper(subprocess.Popen):
    """Ends with its block."""

    def __exit__(self, *_):
        self.kill()
        self.wait(30)


def _all_delivered(server, webhook_id):
    page = server.call("GET", f"/webhooks/{webhook_id}/deliveries?page_size=1").json()
    waiting = server.call("GET", f"/webhooks/{webhook_id}/deliveries?state=waiting").json()
    last = max(seq for seq, _ in _history(server))
    return not waiting["total"] and page["items"] and page["items"][0]["seq"] == last


@pytest.mark.slow
def test_no_connection_is_made_to_names_of_this_machine_or_through_redirects(serve):
    """Addresses are refused at once; names and redirects where the keeper sends."""
    with Receiver(host="::") as listener, serve(
        HOTSWAP_WATCH="1", HOTSWAP_WEBHOOK_ALLOW="127.0.0.2", HTTPS_PROXY=listener.url("", "http"),
        HTTP_PROXY=listener.url("", "http"),
    ) as server:  # fmt: skip
        port = listener.port
        for host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254"):
            for scheme in ("http", "https"):
                answer = server.call(
                    "POST", "/webhooks", json={"url": f"{scheme}://{host}:{port}/", "events": ["*"]}
                )
                assert answer.status_code == 422, answer.text
        named = [
            create(server, f"https://{name}:{port}/")["id"]
            for name in ("localhost", "LOCALHOST", socket.gethostname())
        ]
        redirects = {
            code: Receiver(
                lambda _, code=code: status(code, f"Location: http://127.0.0.1:{port}/"),
                host="127.0.0.2",
            )
            for code in (301, 302, 303, 307, 308)
        }
        redirected = {code: create(server, one.url())["id"] for code, one in redirects.items()}
        for webhook_id in (*named, *redirected.values()):
            server.call("POST", f"/webhooks/{webhook_id}/test").raise_for_status()
        outcomes = {}
        for webhook_id in (*named, *redirected.values()):
            wait_until(
                lambda found=webhook_id: any(
                    one["event"] == "webhook.test" and one["last_at"]
                    for one in deliveries(server, found)
                ),
                "there was no attempt",
                seconds=60,
            )
            outcomes[webhook_id] = {
                (one["last_status"], one["last_error"])
                for one in deliveries(server, webhook_id)
                if one["last_at"]
            }
        for one in redirects.values():
            one.close()

        assert listener.connections == 0
        for webhook_id in named:
            for code, error in outcomes[webhook_id]:
                assert code is None
                assert error.startswith("the host has the address ")
        for code, webhook_id in redirected.items():
            assert outcomes[webhook_id] == {(code, "redirects are not followed")}
