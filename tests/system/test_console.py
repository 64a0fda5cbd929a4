"""Sessions of the console on a real server with two workers."""

import pytest
import requests

from tests.system.real_server import Server

pytestmark = pytest.mark.slow  # tests/integration/console has the same without a server

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
MANY = 30
"""Requests on new connections, so that both workers answer some."""


def sign_in(server: Server, token: str) -> str:
    """The cookie of a new session."""
    answer = requests.post(
        f"{server.url}/console/login",
        data={"token": token},
        headers=SAME_ORIGIN,
        allow_redirects=False,
        timeout=60,
    )
    assert answer.status_code == 303, answer.text
    return answer.cookies["hotswap"]


def statuses(server: Server, cookie: str) -> set[int]:
    """What ``MANY`` requests with the cookie are answered with."""
    return {
        requests.get(
            f"{server.url}/console/models",
            cookies={"hotswap": cookie},
            allow_redirects=False,
            timeout=60,
        ).status_code
        for _ in range(MANY)
    }


@pytest.mark.parametrize(("method", "end"), [("DELETE", ""), ("POST", "/rotate")])
def test_a_session_holds_on_every_worker_until_its_token_ends(
    server: Server, method: str, end: str
) -> None:
    body = {"name": "ann", "scopes": ["promote"]}
    made = server.call("POST", "/tokens", json=body).json()
    cookie, admin = sign_in(server, made["token"]), sign_in(server, server.token)
    assert statuses(server, cookie) == {200}

    assert server.call(method, f"/tokens/{made['id']}{end}").ok

    assert statuses(server, cookie) == {303}
    assert statuses(server, admin) == {200}
    log = server.log.read_text()
    assert cookie not in log
    assert made["token"] not in log
