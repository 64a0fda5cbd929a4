"""Sessions: how they begin, how they end, and what is left of a form then."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import expect

from hotswap import Registry
from tests.browser.conftest import SCRIPTS, VisitorMaker
from tests.browser.stock import add_rents
from tests.browser.visitor import Visitor
from tests.system.real_server import BIN, Server, free_port, running, wait_until


@pytest.fixture
def another_site(server: Server) -> Iterator[str]:
    """The address of another site, as a chat, whose page links to a model in the console."""
    link = f"{server.url}/console/models/rents"

    class Chat(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(
                f'<!doctype html><title>Chat</title><link rel="icon" href="data:,">'
                f'<a href="{link}">Look at this</a>'.encode()
            )

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    site = ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    thread = threading.Thread(target=site.serve_forever)
    thread.start()
    yield f"http://localhost:{site.server_port}"  # by another name, which makes it another site
    site.shutdown()
    thread.join()
    site.server_close()


@SCRIPTS
def test_a_form_is_kept_when_the_session_has_ended(
    visit: VisitorMaker, registry: Registry, fresh_name: str, scripts: bool
) -> None:
    name = add_rents(registry, fresh_name)
    token = registry.create_token("ann", ["promote"])["token"]
    ann, elsewhere = visit(token, scripts=scripts), visit(token)
    page = ann.page
    page.goto(f"/console/models/{name}/4/promote")
    page.get_by_label("Why?").fill("smaller error in every district")

    elsewhere.expect_message("Clear-Site-Data header")
    elsewhere.page.goto("/console/models")
    elsewhere.page.locator("details.who summary").click()
    elsewhere.page.get_by_role("button", name="Sign out everywhere").click()
    expect(elsewhere.page.get_by_role("heading", name="Sign in")).to_be_visible()

    ann.expect_status(401)
    page.get_by_role("button", name="Promote v4").click()
    expect(page.locator("main")).to_contain_text("Your session has ended, and nothing was done.")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("main")).to_contain_text("Nothing was sent yet.")
    expect(page.locator("main")).to_contain_text("smaller error in every district")
    assert registry.model(name)["aliases"]["production"] == 2

    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_role("region", name="Live in production")).to_contain_text(
        "smaller error in every district"
    )
    assert registry.model(name)["aliases"]["production"] == 4


@SCRIPTS
def test_the_printed_link_signs_in_once(visit: VisitorMaker, tmp_path: Path, scripts: bool) -> None:
    command = [BIN / "hotswap", "serve", "--workers", "1"]
    with running(command, tmp_path / "data", free_port()) as server:
        link = re.compile(f"{server.url}/console/link#([\\w-]+)")
        wait_until(lambda: link.search(server.log.read_text()) is not None, "no link is printed")
        found = link.search(server.log.read_text())
        assert found is not None
        address, code = found[0], found[1]
        first, second = (visit(server=server, scripts=scripts) for _ in range(2))
        second.expect_status(403)
        for visitor in (first, second):
            visitor.page.goto(address)
            if not scripts:
                visitor.page.get_by_label("Code").fill(code)
                visitor.page.get_by_role("button", name="Sign in").click()

        expect(first.page).to_have_url(re.compile("/console/models$"))
        expect(first.page.get_by_role("navigation", name="Console")).to_be_visible()
        expect(second.page.get_by_role("alert")).to_be_visible()
        assert code not in first.page.evaluate("[location.href, document.referrer].join()")
        first.page.go_back()
        if scripts:
            assert code not in first.page.url
        first.context.close()
        second.context.close()


def test_back_shows_nothing_after_signing_out(anyone: Visitor) -> None:
    anyone.expect_message("Clear-Site-Data header")
    page = anyone.page
    page.goto("/console/models")
    page.goto("/console/models/rents")
    page.locator("details.who summary").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

    page.go_back()

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_text("rents")).to_have_count(0)


@SCRIPTS
def test_a_link_of_another_site_arrives_signed_in(
    visit: VisitorMaker, server: Server, another_site: str, scripts: bool
) -> None:
    visitor = visit(server.token, scripts=scripts, others=(another_site,))
    page = visitor.page
    page.goto(another_site)
    page.get_by_role("link", name="Look at this").click()

    expect(page.get_by_role("heading", level=1, name="rents")).to_be_visible()
    expect(page).to_have_url(re.compile("/console/models/rents$"))
    page.go_back()
    expect(page).to_have_title("Chat")


def test_a_stranger_is_led_to_the_page_after_signing_in(anyone: Visitor, server: Server) -> None:
    page = anyone.page
    anyone.context.clear_cookies()
    page.goto("/console/history?model=rents")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    anyone.expect_status(401)
    page.get_by_label("Token").fill("hsw_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()

    page.get_by_label("Token").fill(server.token)
    page.get_by_role("button", name="Sign in").click()

    expect(page).to_have_url(re.compile(r"/console/history\?model=rents$"))


def test_a_theme_is_kept(anyone: Visitor) -> None:
    page = anyone.page
    page.goto("/console/models/rents")
    page.locator("details.who summary").click()
    page.get_by_label("Theme").select_option("dark")
    page.get_by_role("button", name="Use").click()

    expect(page.locator("html")).to_have_class("dark")
    expect(page).to_have_url(re.compile("/console/models/rents$"))
    expect(page.locator("body")).to_have_css("color-scheme", "dark")
