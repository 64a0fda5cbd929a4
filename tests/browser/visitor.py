"""Somebody at a browser: what they do, and what their browser complains of."""

from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, expect

from tests.system.real_server import Server

PATIENCE = 30_000
"""Milliseconds that a page may take to become what a test expects. A busy machine is slow."""
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

expect.set_options(timeout=PATIENCE)


class Visitor:
    """A browser profile of its own: its cookies, cache and pages are shared with nobody.

    ``complaints`` are the lines in the browser's console, among them those of the Content Security
    Policy, errors of scripts, windows that a script opened, and requests to anything but the
    service and the ``others``.
    """

    def __init__(
        self,
        chromium: Browser,
        server: Server,
        *,
        scripts: bool = True,
        others: tuple[str, ...] = (),
        **options: Any,
    ) -> None:
        options.setdefault("viewport", WIDE)
        self._addresses = (server.url, *others, "blob:", "data:")
        self.context = chromium.new_context(
            base_url=server.url, java_script_enabled=scripts, **options
        )
        self.context.set_default_timeout(PATIENCE)
        self.complaints: list[str] = []
        self._expected: list[str] = []
        self.context.on("console", self._heard)
        self.context.on("weberror", lambda error: self.complaints.append(f"error: {error.error}"))
        self.context.on("dialog", self._asked)
        self.context.on("requestfinished", self._keeps_to_the_service)
        self.context.on("requestfailed", self._keeps_to_the_service)
        self.page: Page = self.context.new_page()

    def sign_in(self, token: str) -> None:
        """As a person does: on the page for it."""
        self.page.goto("/console/login")
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("navigation", name="Console")).to_be_visible()

    def arrive(self, token: str) -> None:
        """Be signed in without a page, for tests of other things."""
        answer = self.context.request.post(
            "/console/login",
            form={"token": token},
            headers={"Sec-Fetch-Site": "same-origin"},
            max_redirects=0,
        )
        assert answer.status == 303, answer.text()

    def expect_status(self, *statuses: int) -> None:
        """Chromium logs a line for each response with a status of 4xx: these are no complaints."""
        for status in statuses:
            self.expect_message(f"the server responded with a status of {status} ")

    def expect_message(self, part: str) -> None:
        """Lines in the browser's console that contain ``part`` are no complaints."""
        self._expected.append(part)

    def leave(self) -> None:
        """Close the browser. Fails if it had something to complain of."""
        self.context.close()
        assert not self.complaints, "\n".join(self.complaints)

    def _heard(self, message: ConsoleMessage) -> None:
        if not any(part in message.text for part in self._expected):
            self.complaints.append(f"{message.type}: {message.text} ({message.location})")

    def _asked(self, dialog: Dialog) -> None:
        if dialog.type != "beforeunload":
            self.complaints.append(f"a script opened {dialog.type} {dialog.message!r}")
        dialog.accept()

    def _keeps_to_the_service(self, request: Request) -> None:
        if not request.url.startswith(self._addresses):
            self.complaints.append(f"a request to {request.url}")
