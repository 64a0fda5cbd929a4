"""Traffic on the list of models, and what a change did on the page of a model."""

import time
from datetime import timedelta

import numpy as np
import pytest

from registry.operations.record_traffic import record_traffic
from registry.storage.tables import utc_now
from registry.watching.counts import BINS, BOUNDS
from registry.watching.named_rows import Row
from registry.watching.traffic import MINUTE, Increase, floor
from tests.integration.api.conftest import new_name
from tests.integration.console.browser import Page
from tests.integration.console.conftest import Console, ConsoleMaker
from tests.marks import first_fast


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
    times[BOUNDS.index(0.001)] = answered
    increase = Increase(Row(model, version, alias), 0, failed, times)
    minute = floor(utc_now() - ago, MINUTE)
    record_traffic(console.service.services.database, minute, [increase])


def names(page: Page) -> list[str]:
    """The models that the list links to."""
    links = [link for link in page.of("a") if "version-link" in link.get("class", "")]
    return [link["href"].rpartition("/")[2] for link in links]


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
    assert "p99 0.998 ms" in page.text
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
    assert "v1 before 30 0 % 0 % 0.998 ms" in page.text
    assert "v2 since 20 5 % 0 % 0.998 ms" in page.text
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


def test_models_whose_requests_fail_come_first_with_the_reason(make_console: ConsoleMaker) -> None:
    console = make_console()
    for name in ("alpha", "beta", "gamma"):
        console.service.admin.post("/models", json={"name": name})
    record(console, "alpha", 1, 199, failed=1)  # half a percent may
    record(console, "beta", 1, 500)
    record(console, "gamma", 1, 97, failed=3)

    page = console.admin.get("/console/models")

    assert names(page) == ["gamma", "alpha", "beta"]
    assert "gamma 3 % of its requests fail" in page.text
    assert page.text.count("requests fail") == 1


def test_a_model_whose_live_version_is_missing_comes_first(
    make_console: ConsoleMaker, artifacts: dict[str, bytes]
) -> None:
    console = make_console()
    service = console.service
    for number, name in enumerate(("alpha", "beta"), 1):
        service.admin.upload(name, artifacts[f"line-{number}"])
        service.admin.promote(name, 1)
    version = service.admin.get("/models/beta/1").json
    service.services.blobs.path_of(version["artifact"]["sha256"]).unlink()

    def page_after_loss() -> Page:
        service.services.pool.drop([("beta", 1)])
        return console.admin.get("/console/models")

    # A load that began before the file was lost may end after the version was dropped.
    end = time.monotonic() + 30
    while "missing" not in (page := page_after_loss()).text and time.monotonic() < end:
        time.sleep(0.05)

    assert names(page) == ["beta", "alpha"]
    assert "v1 is missing in 1 of 1 worker" in page.text


@pytest.mark.parametrize(
    ("sort", "order"),
    first_fast(
        [("name", "abc"), ("-failures", "cab"), ("-requests", "bca"), ("-updated", "cab")], 2
    ),
)
def test_models_are_sorted_by_the_address(
    make_console: ConsoleMaker, sort: str, order: str
) -> None:
    console = make_console()
    for name in ("b", "a", "c"):
        console.service.admin.post("/models", json={"name": name})
    for name, answered, failed in (("a", 100, 0), ("b", 900, 0), ("c", 299, 1)):
        record(console, name, 1, answered, failed=failed)

    page = console.admin.get(f"/console/models?sort={sort}")

    assert "".join(names(page)) == order
    chosen = [
        given["value"] for given in page.of("option") if given.get("value") and "selected" in given
    ]
    assert chosen == [sort]
    assert console.admin.get("/console/models?sort=size").status == 400
