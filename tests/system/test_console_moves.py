"""Promotions and uploads in the console, by many at once, and while workers are killed."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests

from benchmarks.swap import constant_model
from tests.attacks.attack import canary_in
from tests.attacks.corpus import CORPUS, SAMPLE
from tests.system.real_server import Server, wait_until
from tests.system.test_console import SAME_ORIGIN, sign_in

pytestmark = pytest.mark.slow  # tests/integration/console has the same without a server

AT_ONCE = 50
KILLS = 6


class Visitor:
    """Somebody who is signed in."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._cookies = {"hotswap": sign_in(server, server.token)}

    def post(self, path: str, form: dict[str, str], **files: object) -> requests.Response:
        """Send a form of the console on a connection of its own."""
        return requests.post(
            f"{self._server.url}/console{path}",
            data=form,
            files=files or None,
            cookies=self._cookies,
            headers=SAME_ORIGIN,
            allow_redirects=False,
            timeout=60,
        )


def promoted(server: Server, model: str, *numbers: int) -> None:
    """Register as many versions, and promote the first."""
    for number in numbers:
        files = {"artifact": ("model.skops", constant_model(float(number)))}
        assert server.call("POST", f"/models/{model}/versions", files=files).status_code == 201
    assert server.call("POST", f"/models/{model}/1/promote", json={}).status_code == 200


def expected(server: Server, model: str, live: int) -> dict[str, str]:
    """What the page of a promotion has in its form."""
    generation = server.call("GET", f"/models/{model}").json()["generation"]
    return {"expected_version": str(live), "expected_generation": str(generation)}


def moves(server: Server, model: str) -> list[tuple[int, int]]:
    """What each promotion moved the alias from and to, oldest first."""
    events = server.call("GET", f"/models/{model}/history?page_size=200").json()["items"]
    found = [one for one in events if one["type"] == "promoted"]
    return [(one["from_version"], one["to_version"]) for one in reversed(found)]


def test_of_fifty_promotions_at_once_from_the_same_page_one_moves_the_alias(server: Server) -> None:
    promoted(server, "at-once", 1, 2)
    visitor = Visitor(server)
    form = {"reason": "all at once", **expected(server, "at-once", 1)}

    def promote(number: int) -> int:
        keyed = {**form, "idempotency_key": f"key-{number}"}
        return visitor.post("/models/at-once/2/promote", keyed).status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        statuses = sorted(pool.map(promote, range(AT_ONCE)))

    assert statuses == [303] + [409] * (AT_ONCE - 1)
    assert moves(server, "at-once") == [(None, 1), (1, 2)]


def test_a_promotion_that_is_sent_again_after_a_kill_happened_once(hardy_server: Server) -> None:
    promoted(hardy_server, "killed", 1, 2)
    visitor, chance = Visitor(hardy_server), random.Random(1)
    live = 1
    for number in range(KILLS):
        other = 3 - live
        form = {"reason": "kill", "idempotency_key": f"k{number}"}
        form |= expected(hardy_server, "killed", live)
        with a_worker_killed(hardy_server, chance.uniform(0, 0.05)):
            send_until_done(visitor, f"/models/killed/{other}/promote", form)
        live = other
        assert moves(hardy_server, "killed")[-1] == (3 - live, live)
    assert len(moves(hardy_server, "killed")) == 1 + KILLS
    assert hardy_server.call("POST", "/history/verify").status_code == 200


def test_an_upload_that_is_sent_again_after_a_kill_registers_one_version(
    hardy_server: Server,
) -> None:
    visitor, chance = Visitor(hardy_server), random.Random(2)
    for number in range(KILLS):
        form = {"idempotency_key": f"u{number}", "description": "", "tags": ""}
        artifact = ("model.skops", constant_model(float(number)))
        with a_worker_killed(hardy_server, chance.uniform(0, 0.3)):
            send_until_done(visitor, "/models/uploaded/upload", form, artifact=artifact)
    versions = hardy_server.call("GET", "/models/uploaded/versions").json()
    assert versions["total"] == KILLS
    assert {one["status"] for one in versions["items"]} == {"ready"}


@pytest.mark.parametrize("name", list(SAMPLE))
def test_a_hostile_file_is_refused_by_the_upload_page(name, server, tmp_path):
    attack, visitor = CORPUS[name], Visitor(server)
    with canary_in(tmp_path / "canary") as canary:
        metadata = ("metadata.json", f'{{"format": "{attack.format}"}}')
        artifact = ("<script>alert(1)</script>.bin", attack.make(canary))
        answer = visitor.post("/models/hostile/upload", {}, artifact=artifact, metadata=metadata)
        assert not canary.triggered()
    assert answer.status_code == 303 if attack.harmless else answer.status_code in {413, 415, 422}
    assert "<script>alert" not in answer.text


@contextmanager
def a_worker_killed(server: Server, seconds: float) -> Iterator[None]:
    """A worker is killed after so many seconds; at the end another one has taken its place."""
    victim = random.choice(server.workers())

    def kill() -> None:
        time.sleep(seconds)
        os.kill(victim, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    yield
    thread.join()
    wait_until(
        lambda: len(server.workers()) == 2 and victim not in server.workers(),
        "the worker was not replaced",
    )


def send_until_done(visitor: Visitor, path: str, form: dict[str, str], **files: object) -> None:
    """Send the form again and again, as somebody does whose connection breaks."""

    def is_done() -> bool:
        try:
            answer = visitor.post(path, form, **files)
        except requests.ConnectionError:
            return False
        if answer.status_code == 503:
            return False
        assert answer.status_code == 303, answer.text
        return True

    wait_until(is_done, f"{path} was never carried out")
