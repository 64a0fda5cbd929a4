"""A service with its console, people who visit it, and models to look at.

The service, its administrator and the small models are those of the API's tests.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from console import add_console
from tests.integration.api.conftest import (  # noqa: F401 - fixtures
    ADMIN_TOKEN,
    AppMaker,
    Service,
    artifacts,
    fresh_name,
    inspector,
    make_app,
    module_app,
    new_name,
    trained,
)
from tests.integration.console.browser import Browser

HOSTILE = """<script>alert(1)</script>'"`&{{7*7}}${x}</td><img src=x onerror=alert(2)>\u202e\\"""
"""Text that must be shown as it is, wherever somebody can write."""


@dataclass(frozen=True)
class Console:
    """A service whose console is visited."""

    service: Service

    @property
    def admin(self) -> Browser:
        """The administrator's browser, signed in."""
        return Browser(self.service.app, ADMIN_TOKEN)

    def stranger(self, origin: str = "http://localhost") -> Browser:
        """A browser in which nobody is signed in."""
        return Browser(self.service.app, origin=origin)

    def token(self, *scopes: str, **limits: Any) -> dict[str, Any]:
        """A new token of these scopes, with its ``id`` and value."""
        body = {"name": limits.pop("name", "-".join(scopes)), "scopes": list(scopes), **limits}
        answer = self.service.admin.post("/tokens", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json)

    def person(self, *scopes: str, **limits: Any) -> Browser:
        """The browser of somebody who signed in with a new token of these scopes."""
        return Browser(self.service.app, self.token(*scopes, **limits)["token"])


ConsoleMaker = Callable[..., Console]


def with_console(service: Service) -> Console:
    add_console(service.app)
    return Console(service)


@pytest.fixture(scope="module")
def console(module_app: AppMaker) -> Console:  # noqa: F811 - the fixture
    """The console that the tests of a file share."""
    return with_console(module_app())


@pytest.fixture
def make_console(make_app: AppMaker) -> ConsoleMaker:  # noqa: F811 - the fixture
    """Makes a console of this test's own, with the settings that are given."""
    return lambda **settings: with_console(make_app(**settings))


@pytest.fixture(scope="module")
def housing(console: Console, artifacts: dict[str, bytes]) -> str:  # noqa: F811 - the fixture
    """A model with four versions: 1, 2 and 3 were promoted in turn, then 2 was restored; 4 waits.

    Its metrics have intervals: 4 differs from 2 by less than its own, 1 by more.
    """
    name, admin = new_name(), console.service.admin
    for number, rmse in ((1, 50.0), (2, 30.0), (3, 29.0), (4, 28.5)):
        metadata = {
            "kind": "linear",
            "description": f"attempt {number}",
            "metrics": {"rmse": rmse, "mae": rmse * 0.8, "r2": 1 - rmse / 100},
            "params": {"alpha": number},
            "evaluation": {
                "rows": 100,
                "train_rows": 400,
                "metric_intervals": {"rmse": [rmse - 4, rmse + 4]},
                "baseline": {"rmse": 86.5},
            },
        }
        answer = admin.upload(name, artifacts[f"line-{min(number, 3)}"], metadata)
        assert answer.status_code == 201, answer.text
    for number in (1, 2, 3):
        assert admin.promote(name, number, reason=f"reason {number}").status_code == 200
    answer = admin.post(f"/models/{name}/rollback", json={"reason": "it was slow"})
    assert answer.json["version"] == 2
    return name
