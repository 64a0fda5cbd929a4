"""Tokens on the real server, whose workers share their state."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from tests.system.real_server import BIN, Server, free_port, running, wait_until

TRIES = 24
"""On connections of their own: with so many, no worker is left out."""


@contextmanager
def serving(data: Path, workers: int = 2, **environment: str) -> Iterator[Server]:
    command = [BIN / "hotswap", "serve", "--workers", str(workers)]
    with running(command, data, free_port(), **environment) as server:
        yield server


def statuses(server: Server, token: str) -> list[int]:
    headers = {"Authorization": f"Bearer {token}"}
    address = f"{server.url}/models/nobody"
    return [requests.get(address, headers=headers, timeout=60).status_code for _ in range(TRIES)]


def make(server: Server) -> dict[str, str]:
    body = {"name": "ci", "scopes": ["predict"]}
    made: dict[str, str] = server.call("POST", "/tokens", json=body).json()
    return made


def test_a_token_is_accepted_and_revoked_on_every_worker_at_once(server: Server) -> None:
    for _ in range(5):
        made = make(server)
        assert set(statuses(server, made["token"])) == {404}
        server.call("DELETE", f"/tokens/{made['id']}").raise_for_status()
        assert set(statuses(server, made["token"])) <= {401, 429}


@pytest.mark.slow  # integration/api/test_rates.py shares a limit among processes
def test_rates_and_failures_are_counted_over_all_workers(tmp_path: Path) -> None:
    with serving(tmp_path / "data", HOTSWAP_RATE_LIMIT="5", HOTSWAP_AUTH_FAILURES="10") as server:
        failed = statuses(server, "hsw_guess")
        assert (failed.count(401), failed.count(429)) == (10, TRIES - 10)

        made = make(server)
        passed = statuses(server, made["token"])
        assert passed[:5] == [404] * 5
        assert 429 in passed

        figures = server.call("GET", "/metrics").text.splitlines()
        assert 'hotswap_failed_authentications_total{why="invalid"} 10.0' in figures
        assert f'hotswap_failed_authentications_total{{why="slowed"}} {TRIES - 10}.0' in figures


@pytest.mark.slow  # three starts; integration/registry/test_tokens.py has the token
def test_the_admin_token_is_printed_once_and_each_start_warns_until_it_is_rotated(
    tmp_path: Path,
) -> None:
    everywhere = {"HOTSWAP_HOST": "0.0.0.0", "HOTSWAP_ADMIN_TOKEN": ""}  # noqa: S104 - what is warned of
    with serving(tmp_path / "data", workers=1, **everywhere) as server:
        file = server.data / "admin.token"
        wait_until(lambda: str(file) in server.log.read_text(), "the file is not named")
        first = file.read_text().strip()
        assert server.log.read_text().count(first) == 1
        assert file.stat().st_mode & 0o777 == 0o600
        assert set(statuses(server, first)) == {404}

    with serving(tmp_path / "data", workers=1, **everywhere) as server:
        wait_until(lambda: str(file) in server.log.read_text(), "the file is not named")
        assert first not in server.log.read_text()
        assert "hotswap tokens rotate 1" in server.log.read_text()
        rotated = replace(server, token=first).hotswap("tokens", "rotate", "1")
        assert rotated.returncode == 0, rotated.stderr
        assert set(statuses(server, first)) == {401}

    with serving(tmp_path / "data", workers=1, **everywhere) as server:
        wait_until(lambda: server.url in server.log.read_text(), "the address is not printed")
        assert "Warning" not in server.log.read_text()
