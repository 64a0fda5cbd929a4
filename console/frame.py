"""What every page has around its content: the menu, who is signed in, and whether all is well."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, NamedTuple

from flask import current_app, g, request

from api.health_report import Summary, summary_of
from api.services import services
from api.worker_reports import worker_reports
from registry.doctor.findings import Result
from registry.errors import RegistryError
from registry.reading.events import history_head
from registry.tokens import Grant, Scope

THEMES = ("system", "light", "dark")
THEME_COOKIE = "hotswap-theme"
_KEY = "hotswap-console-health"
_FRESH_SECONDS = 5.0


class Entry(NamedTuple):
    """A page of the menu; ``scope`` None: for everybody."""

    label: str
    endpoint: str
    scope: Scope | None = None


MENU = (
    Entry("Models", "console.models.index"),
    Entry("History", "console.history.show"),
    Entry("Alerts", "console.alerts.show"),
    Entry("Health", "console.health.show"),
    Entry("Tokens", "console.tokens.show", "admin"),
    Entry("Webhooks", "console.webhooks.show", "admin"),
)


Level = Literal["ok", "warn", "bad"]
LEVELS: dict[Result, Level] = {"ok": "ok", "warning": "warn", "fault": "bad"}


class Health(NamedTuple):
    """``words`` say it, ``level`` colours it."""

    words: str
    level: Level


class WorkerHealth:
    """The state of the workers in words, looked up at most every five seconds."""

    def __init__(self, look: Callable[[], Summary]) -> None:
        self._look = look
        self._known: tuple[float, Health] | None = None

    def now(self) -> Health:
        """Never raises: the pages of errors show it too."""
        known = self._known
        if known is None or time.monotonic() - known[0] > _FRESH_SECONDS:
            summary = self._look()
            health = Health(summary.words, LEVELS[summary.level])
            known = self._known = (time.monotonic(), health)
        return known[1]


def menu(grant: Grant) -> list[Entry]:
    """The pages that the bearer of ``grant`` may open."""
    return [entry for entry in MENU if entry.scope is None or _may(grant, entry.scope)]


def health() -> Health:
    """The state of the workers."""
    known: WorkerHealth | None = current_app.extensions.get(_KEY)
    if known is None:
        reports, settings = worker_reports(), services().settings
        known = WorkerHealth(lambda: summary_of(reports.all(), settings))
        current_app.extensions[_KEY] = known
    return known.now()


def broken_event() -> int | None:
    """The first event of the history that the last check found wrong or missing, for whoever has to
    see to it: an admin. Never raises: the pages of errors show it too."""
    grant: Grant | None = g.get("grant")
    if grant is None or not _may(grant, "admin"):
        return None
    with suppress(RegistryError), services().database.read() as session:
        found: int | None = history_head(session)["broken_seq"]
        return found
    return None


def theme() -> str:
    """The theme that the reader chose: ``system``, ``light`` or ``dark``."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else THEMES[0]


def _may(grant: Grant, scope: Scope) -> bool:
    """An admin of some models may not do what concerns all of them."""
    return administers_all(grant) if scope == "admin" else grant.has_scope(scope)


def administers_all(grant: Grant) -> bool:
    """Whether its bearer administers the whole service, not some models."""
    return grant.has_scope("admin") and grant.models is None
