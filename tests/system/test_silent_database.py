"""The real server with an unresponsive PostgreSQL: requests that need no database are answered."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.postgresql import Wire, running_postgresql
from tests.system.real_server import BIN, free_port, running, wait_until

CALLERS = 64
"""Twice the threads of a worker."""


@pytest.mark.slow
def test_the_liveness_check_succeeds_while_the_database_is_silent(tmp_path):
    with running_postgresql() as postgresql:
        wire = Wire(postgresql.create(migrated=True))
        command = [BIN / "hotswap", "serve", "--workers", "1"]
        with running(
            command, tmp_path / "data", free_port(), HOTSWAP_DATABASE_URL=wire.url
        ) as server:
            wire.cut()
            with ThreadPoolExecutor(CALLERS) as threads:
                until = time.monotonic() + 15

                def keep_calling(_):
                    statuses = []
                    while time.monotonic() < until:
                        statuses.append(server.call("GET", "/models").status_code)
                    return statuses

                calling = threads.map(keep_calling, range(CALLERS))
                slowest = 0.0
                while time.monotonic() < until:
                    began = time.monotonic()
                    requests.get(f"{server.url}/livez", timeout=30).raise_for_status()
                    slowest = max(slowest, time.monotonic() - began)
                    time.sleep(0.1)
                statuses = {status for each in calling for status in each}
            wire.mend()
            wait_until(lambda: server.call("GET", "/models").ok, "the database is not used again")
        wire.close()

    assert statuses == {503}
    assert slowest < 5, "it waited for as long as a statement may take"
