"""Traffic on the list of models, and what a change did on the page of a model."""

from datetime import timedelta

import numpy as np
import pytest

from registry.operations.record_traffic import record_traffic
from registry.storage.tables import utc_now
from registry.watching.counts import BINS
from registry.watching.named_rows import Row
from registry.watching.traffic import MINUTE, Increase, floor
from tests.integration.api.conftest import new_name
from tests.integration.console.conftest import Console


def record(
    console: Console,
    model: str,
    version: int,
    answered: int,
    *,
    ago: timedelta = timedelta(),
    alias: str = "production",
    failed: int = 0,
) -> None:
    """Record predictions as the service does once a minute."""
    times = np.zeros(BINS, np.uint64)
    times[5] = answered
    increase = Increase(Row(model, version, alias), 0, failed, times)
    minute = floor(utc_now() - ago, MINUTE)
    record_traffic(console.service.services.database, minute, [increase])


@pytest.fixture
def moved(console: Console, artifacts: dict[str, bytes]) -> str:
    """A model of which version 2 has just replaced version 1."""
    name = new_name()
    for number in (1, 2):
        console.service.admin.upload(name, artifacts[f"line-{number}"])
        console.service.admin.promote(name, number)
    return name


def test_the_list_shows_the_traffic_of_each_model(console: Console, moved: str) -> None:
    record(console, moved, 2, 990, failed=10)

    page = console.admin.get(f"/console/models?q={moved}")

    assert "1 % failed" in page.text
    assert "p99 0.995 ms" in page.text
    assert any("1,000" in bar["data-tip"] for bar in page.of("rect"))


def test_a_model_without_traffic_has_no_chart(console: Console, moved: str) -> None:
    page = console.admin.get(f"/console/models?q={moved}")

    assert page.of("rect") == []
    assert "failed" not in page.text


def test_after_a_change_both_versions_are_beside_each_other(console: Console, moved: str) -> None:
    record(console, moved, 1, 30, ago=timedelta(minutes=3))
    record(console, moved, 2, 19, failed=1)
    record(console, moved, 1, 20, alias="", ago=timedelta(minutes=-1))

    page = console.admin.get(f"/console/models/{moved}")

    assert "After the change" in page.text
    assert "v1 before 30 0 % 0 % 0.995 ms" in page.text
    assert "v2 since 20 5 % 0 % 0.995 ms" in page.text
    assert "50 % of the requests since name a version by its number" in page.text
    assert "After the change" in console.admin.fragment(f"/console/models/{moved}").text


def test_without_traffic_nothing_is_said_of_the_change(console: Console, moved: str) -> None:
    assert "After the change" not in console.admin.get(f"/console/models/{moved}").text


def test_the_page_of_a_rollback_shows_how_the_earlier_version_did(
    console: Console, moved: str
) -> None:
    """Only of the time that it was live: others may have called it by its number."""
    address = f"/console/models/{moved}/rollback"
    assert "errors" not in console.admin.get(address).text.partition("Why?")[0]
    record(console, moved, 1, 4999, failed=1)
    record(console, moved, 1, 100, failed=100, alias="")
    record(console, moved, 2, 90, failed=10)

    text = console.admin.get(address).text

    assert "under a minute, 0.02 % errors" in text
    assert ", 10 % errors since" in text
