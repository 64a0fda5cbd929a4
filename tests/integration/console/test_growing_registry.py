"""What a page costs does not grow with the number of versions and events.

Costs are counted: statements sent to the database, and instructions that SQLite carried out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import get_ident
from typing import NamedTuple

import pytest
from sqlalchemy import Engine, event
from werkzeug.test import TestResponse

from api.services import services
from api.sessions import db
from benchmarks.console_pages import API, PAGES, POLLED
from benchmarks.growth_registry import TEMPLATE, Size, name_of, write_models
from tests.integration.console.conftest import Console, ConsoleMaker

FEW = Size(models=1, versions=220, events=660)  # every page is full
MANY = Size(models=1, versions=700, events=2100)
MOST_STATEMENTS = 70
_STEP = 20
"""SQLite instructions between two calls of a progress handler."""
UNCOUNTED = {
    "console.home",
    "console.unknown",
    "console.get_asset",
    "console.sign_in.show",
    "console.link.show",
    "console.version.download",  # a file of one version
    "console.plot_files.drawing",  # the same
    "console.plot_files.figures",
    "console.history.export",  # all events, as a file
    "console.webhooks.show_one",  # one webhook
}


class Cost(NamedTuple):
    statements: int
    instructions: int


@dataclass
class Meter:
    """Counts what the databases of an application do for its thread; other threads of the
    application verify the history from time to time."""

    statements: int = 0
    instructions: int = 0
    thread: int = field(default_factory=get_ident)

    def watch(self, engine: Engine) -> None:
        event.listen(engine, "before_cursor_execute", self._sent)
        event.listen(engine, "checkout", self._taken)

    def of(self, action: Callable[[], object]) -> Cost:
        before = self.statements, self.instructions
        action()
        return Cost(self.statements - before[0], self.instructions - before[1])

    def _sent(self, *_: object) -> None:
        self.statements += get_ident() == self.thread

    def _taken(self, connection, *_: object) -> None:
        connection.set_progress_handler(self._worked, _STEP)

    def _worked(self) -> None:
        self.instructions += _STEP * (get_ident() == self.thread)


@pytest.mark.slow  # it shows every page four times
@pytest.mark.sqlite  # which counts the instructions of a statement
def test_a_page_costs_the_same_however_many_versions_and_events_there_are(
    make_console: ConsoleMaker, artifacts: dict[str, bytes]
) -> None:
    console = make_console()
    assert console.service.admin.upload(TEMPLATE, artifacts["line-1"]).status_code == 201
    meter = metered(console)

    few, many = (costs(console, meter, number, size) for number, size in enumerate((FEW, MANY)))

    for page in few:
        assert many[page].statements <= min(few[page].statements + 5, MOST_STATEMENTS), page
        assert many[page].instructions < 1.3 * few[page].instructions + 1500, page


def test_every_page_is_measured(make_console: ConsoleMaker) -> None:
    app = make_console().service.app
    adapter = app.url_map.bind("localhost")
    known = {adapter.match(page.partition("?")[0].format(model="m", last=1))[0] for page in PAGES}
    served = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/console") and "GET" in (rule.methods or ())
    }
    assert served - UNCOUNTED == known


def metered(console: Console) -> Meter:
    meter = Meter()
    with console.service.app.app_context():
        for engine in {services().database.engine, db.engine}:
            meter.watch(engine)
    return meter


def costs(console: Console, meter: Meter, number: int, size: Size) -> dict[str, Cost]:
    """What each page costs after a model of this size was added."""
    with console.service.app.app_context(), services().database.write() as session:
        write_models(session, range(number, number + 1), size)
    browser, program, found = console.admin, console.service.admin, {}

    def measure(name: str, page: str, get: Callable[[str], TestResponse]) -> TestResponse:
        path = page.format(model=name_of(number), last=size.versions)
        answers: list[TestResponse] = []
        found[name] = meter.of(lambda: answers.append(get(path)))
        return answers[0]

    for page in PAGES:
        assert measure(page, page, browser.client.get).status_code == 200, page
    for page in POLLED:
        headers = {"HX-Request": "true"}
        first = measure(f"{page}, again", page, partial(browser.client.get, headers=headers))
        headers["If-None-Match"] = first.headers["ETag"]
        measure(f"{page}, unchanged", page, partial(browser.client.get, headers=headers))
    for page in API:
        assert measure(page, page, program.get).status_code == 200, page
    return found
