"""The same request with the same key, many times at once, on two workers."""

import io
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.marks import first_fast
from tests.system.models import iris_artifact, upload
from tests.system.real_server import Server

AT_ONCE = 20


def send(server: Server, verb: str, key: str) -> requests.Response:
    headers = {"Idempotency-Key": key}
    if verb == "upload":
        return server.call(
            "POST",
            "/models/keyed/versions",
            headers=headers,
            files={"artifact": ("model.skops", io.BytesIO(iris_artifact()))},
            data={"metadata": json.dumps({"tags": {"sent": key}})},
        )
    path = {"promote": "/models/keyed/3/promote", "rollback": "/models/keyed/rollback"}[verb]
    return server.call("POST", path, headers=headers, json={"reason": key})


@pytest.fixture(scope="module", autouse=True)
def keyed(server: Server) -> None:
    for number in (1, 2, 3):
        upload(server, "keyed")
        if number < 3:
            server.call("POST", f"/models/keyed/{number}/promote").raise_for_status()


@pytest.mark.parametrize("verb", first_fast(["upload", "promote", "rollback"]))
def test_twenty_concurrent_requests_with_one_key_have_one_effect(server: Server, verb: str) -> None:
    before = server.call("GET", "/models/keyed/history").json()["total"]

    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda _: send(server, verb, f"20 {verb}s"), range(AT_ONCE)))

    assert {answer.status_code for answer in answers} == {201 if verb == "upload" else 200}
    assert len({answer.content for answer in answers}) == 1
    replayed = [answer.headers.get("Idempotent-Replayed") for answer in answers]
    assert sorted(replayed, key=str) == [None, *["true"] * (AT_ONCE - 1)]
    assert server.call("GET", "/models/keyed/history").json()["total"] == before + 1


def test_a_key_of_another_request_is_a_conflict(server: Server) -> None:
    send(server, "promote", "used twice").raise_for_status()

    answer = send(server, "rollback", "used twice")

    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/idempotency-key-reused"
