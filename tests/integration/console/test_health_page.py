"""The health page, and the word in the frame that leads to it."""

import pytest

from tests.integration.api.conftest import new_name
from tests.integration.console.conftest import Console, ConsoleMaker
from tests.integration.watching.serving_since import serve_since


@pytest.fixture(scope="module")
def live(console: Console, artifacts: dict[str, bytes]) -> str:
    """A model whose version 1 is live, and version 2 was live before."""
    name, admin = new_name(), console.service.admin
    for number in (1, 2):
        admin.upload(name, artifacts[f"line-{number}"])
        admin.promote(name, number)
    admin.post(f"/models/{name}/rollback", json={"reason": "slow"})
    return name


def test_an_administrator_sees_workers_versions_storage_and_findings(
    console: Console, live: str
) -> None:
    page = console.admin.get("/console/health")

    assert page.status == 200
    assert "1 worker, all well" in page.text
    assert f"{live} v1 it is live 1 of 1" in page.text
    assert f"{live} v2 it was live before 1 of 1" in page.text
    is_sqlite = console.service.services.database.is_sqlite
    assert ("SQLite" if is_sqlite else "PostgreSQL") in page.text
    assert "none noted by hotswap backup" in page.text
    assert "schema 00" in page.text
    assert "uploaded models" not in page.text
    assert "the data directory can be written to" in page.text
    assert str(console.service.data.parent) not in page.html


def test_an_administrator_sees_what_takes_room_on_the_disk(console: Console, live: str) -> None:
    console.service.services.housekeeping.look()

    text = console.admin.get("/console/health").text

    assert "uploaded models" in text
    assert "compiled forms" in text
    assert "damaged files" not in text


def test_others_see_the_summary_alone(console: Console, live: str) -> None:
    page = console.person("predict").get("/console/health")

    assert "1 worker, all well" in page.text
    assert live not in page.html
    assert "Storage" not in page.text
    assert live not in console.person("admin", models=["other"]).get("/console/health").html


def test_the_word_in_the_frame_leads_to_the_page(console: Console, live: str) -> None:
    page = console.admin.get(f"/console/models/{live}")

    assert "/console/health" in page.hrefs()
    assert "1 worker, all well" in page.text


def test_the_page_of_a_model_says_in_how_many_workers_it_is_loaded(
    console: Console, live: str
) -> None:
    assert "Loaded 1 of 1 worker" in console.admin.get(f"/console/models/{live}").text


def test_a_version_that_cannot_be_loaded_is_named_with_what_to_do(
    make_console: ConsoleMaker, artifacts: dict[str, bytes]
) -> None:
    console, name = make_console(), new_name()
    service = console.service
    service.admin.upload(name, artifacts["line-1"])
    service.admin.promote(name, 1)
    service.lose(service.stored())
    service.services.pool.drop([(name, 1)])
    assert service.admin.post(f"/models/{name}/predict", json={"input": [1]}).status_code == 503

    page = console.admin.get("/console/health")

    assert f"version 1 of {name} cannot be loaded in 1 of 1 workers: blob-missing" in page.text
    assert "Roll back, or upload the same file again" in page.text
    assert f"{name} v1 blob-missing 0 of 1" in page.text
    assert any("bad" in link.get("class", "") for link in page.of("a"))


def test_every_page_says_that_the_keeper_does_not_run(make_console: ConsoleMaker) -> None:
    console = make_console(watch=True)
    serve_since(console.service.data / "run", 135)
    said = "nothing has watched rollouts and alerts for 2 min: the keeper does not run"

    assert said in console.admin.get("/console/models").text
    assert "run 'hotswap watch run'" in console.admin.get("/console/health").text
