"""Chromium, a service that it visits, and the visitors.

The service is started as its users start it: ``hotswap serve --demo``, with the models of
``tests.browser.stock`` besides. These are made once; each file of tests has a service of its own on
a copy of them.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from hotswap import Registry
from tests.browser.stock import add_everything
from tests.browser.visitor import Visitor
from tests.system.real_server import BIN, Server, free_port, running

VisitorMaker = Callable[..., Visitor]
SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
"""For tests that make their visitors themselves: with scripts and without them."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser that all tests share; each visitor has a profile of their own in it."""
    path = shutil.which("chromium")
    assert path is not None, "make test-browser installs Chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The data directory of a service that has ended, with all models.

    The first of pytest's processes makes it, the others wait for it.
    """
    own = tmp_path_factory.getbasetemp()
    folder = own if worker_id == "master" else own.parent
    data = folder / "stocked" / "data"
    with (folder / "stocked.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not data.exists():
            data.parent.mkdir()
            command = [BIN / "hotswap", "serve", "--demo", "--workers", "1"]
            with running(command, data, free_port()) as service:
                add_everything(service)
    return data


@pytest.fixture(scope="module")
def server(stocked: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service that the tests of a file share."""
    data = tmp_path_factory.mktemp("browser") / "data"
    shutil.copytree(stocked, data, ignore=shutil.ignore_patterns("run"))
    with running([BIN / "hotswap", "serve", "--workers", "2"], data, free_port()) as started:
        yield started


@pytest.fixture(scope="module")
def registry(server: Server) -> Iterator[Registry]:
    """The service over its API, as somebody else uses it meanwhile."""
    with Registry(server.url, server.token) as client:
        yield client


@pytest.fixture
def fresh_name(request: pytest.FixtureRequest) -> str:
    """The name of a model that no other test uses."""
    return re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_")).strip("-")


@pytest.fixture
def visit(chromium: Browser, server: Server) -> Iterator[VisitorMaker]:
    """Makes visitors; with a token they are signed in. Their browsers must not complain."""
    visitors: list[Visitor] = []

    def make(token: str | None = None, **options: Any) -> Visitor:
        visitor = Visitor(chromium, options.pop("server", server), **options)
        visitors.append(visitor)
        if token is not None:
            visitor.arrive(token)
        return visitor

    yield make
    for visitor in visitors:
        visitor.leave()


@pytest.fixture
def admin(visit: VisitorMaker, server: Server) -> Visitor:
    """The administrator, signed in."""
    return visit(server.token)


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def anyone(request: pytest.FixtureRequest, visit: VisitorMaker, server: Server) -> Visitor:
    """The administrator, signed in: once with scripts and once without."""
    return visit(server.token, scripts=request.param)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what each page weighs, and how soon it is seen."""
    rows = [
        value
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if report.when == "call"
        for name, value in report.user_properties
        if name == "page"
    ]
    if rows:
        terminalreporter.section("pages: KiB, requests, ms to the first content, shift")
        head = ("page", "cold", "warm", "HTML", "requests", "first", "shift")
        terminalreporter.write_line("{:<32}{:>7}{:>7}{:>7}{:>10}{:>7}{:>8}".format(*head))
    for name, cold, warm, html, requests, first, shift in rows:
        kib = "".join(f"{size / 1024:>7.1f}" for size in (cold, warm, html))
        terminalreporter.write_line(f"{name:<32}{kib}{requests:>10}{first:>7.0f}{shift:>8.4f}")
