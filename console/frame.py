"""What every page has around its content: the menu, who is signed in, and whether all is well."""

import time
from contextlib import suppress
from typing import Literal, NamedTuple

from flask import current_app, request

from api.services import Services, services
from console.formats import plural
from registry.errors import Unavailable
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
    Entry("Health", "console.health.show"),
    Entry("Tokens", "console.tokens.show", "admin"),
)


class Health(NamedTuple):
    """``words`` say it, ``level`` colours it."""

    words: str
    level: Literal["ok", "warn", "bad"]


class WorkerHealth:
    """The state of the workers in words, looked up at most every five seconds."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known: tuple[float, Health] | None = None

    def now(self) -> Health:
        """Never raises: the pages of errors show it too."""
        known = self._known
        if known is None or time.monotonic() - known[0] > _FRESH_SECONDS:
            known = self._known = (time.monotonic(), self._look())
        return known[1]

    def _look(self) -> Health:
        watch = self._services.watch
        with suppress(Unavailable):
            loading, unloadable = len(watch.missing()), len(watch.unloadable())
            if unloadable:
                return Health(f"{plural(unloadable, 'live version')} cannot be loaded", "bad")
            if loading:
                return Health(f"loading {plural(loading, 'version')}", "warn")
            return Health(f"{plural(self._services.fleet.alive(), 'worker')}, all well", "ok")
        return Health("the database cannot be read", "bad")


def is_served(endpoint: str) -> bool:
    """Whether a page exists: some are left out of small installations."""
    return endpoint in current_app.view_functions


def menu(grant: Grant) -> list[Entry]:
    """The pages that the bearer of ``grant`` may open."""
    return [
        entry
        for entry in MENU
        if is_served(entry.endpoint) and (entry.scope is None or _may(grant, entry.scope))
    ]


def health() -> Health:
    """The state of the workers."""
    known: WorkerHealth | None = current_app.extensions.get(_KEY)
    if known is None:
        known = current_app.extensions[_KEY] = WorkerHealth(services())
    return known.now()


def theme() -> str:
    """The theme that the reader chose: ``system``, ``light`` or ``dark``."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else THEMES[0]


def _may(grant: Grant, scope: Scope) -> bool:
    """An admin of some models may not do what concerns all of them."""
    return grant.has_scope(scope) and (scope != "admin" or grant.models is None)
