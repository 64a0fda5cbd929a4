"""The link that ``hotswap serve --demo`` prints, followed as a browser does."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.system.real_server import BIN, Server, free_port, running, wait_until

# tests/integration/console/test_link.py has the same without a server.
pytestmark = pytest.mark.slow

PATTERN = re.compile(r"http://127\.0\.0\.1:\d+/console/link#([\w-]{43})")


def follow(server: Server, code: str) -> requests.Response:
    """Open the link and send the form of its page, on connections of its own."""
    with requests.Session() as browser:
        page = browser.get(f"{server.url}/console/link", timeout=60)
        assert page.status_code == 200
        sent = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
        return browser.post(page.url, {"code": code}, headers=sent, timeout=60)


def printed_code(server: Server) -> str:
    wait_until(lambda: PATTERN.search(server.log.read_text()) is not None, "no link is printed")
    found = PATTERN.search(server.log.read_text())
    assert found is not None
    return found[1]


def test_the_first_thing_that_is_printed_is_a_link_that_signs_in_once(tmp_path: Path) -> None:
    command = [BIN / "hotswap", "serve", "--demo", "--workers", "2"]
    data, port = tmp_path / "data", free_port()
    with running(command, data, port, HOTSWAP_ADMIN_TOKEN="", HOTSWAP_ACCESS_LOG="1") as server:
        up = time.monotonic()
        code = printed_code(server)
        page = follow(server, code)
        print(f"from up to the page: {time.monotonic() - up:.2f} s")  # noqa: T201

        assert (page.url, page.status_code) == (f"{server.url}/console/models", 200)
        assert "diabetes" in page.text
        log = server.log.read_text()
        assert log.index("/console/link#") < log.index("Hotswap serves at")
        assert log.count(code) == 1  # the access log has the requests, without the code
        assert follow(server, code).status_code == 403

    log_of_first = server.log.read_text()
    with running(command, data, port, HOTSWAP_ADMIN_TOKEN="") as server:
        newer = printed_code(server)
        assert newer not in log_of_first
        with ThreadPoolExecutor(8) as browsers:
            pages = list(browsers.map(lambda _: follow(server, newer), range(8)))
        assert sorted(page.status_code for page in pages) == [200] + [403] * 7
        unused = server.data / "run" / "sign-in"
        assert list(unused.iterdir()) == []
